// One field of a form: its label, what it is for, and what is wrong with it, tied together for screen readers.
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

interface FieldProps {
  label: string;
  hint?: string | undefined;
  fault?: string | undefined;
  children(id: string, about: string, invalid: boolean): ComponentChildren;
}

export function Field({ label, hint, fault, children }: FieldProps) {
  const id = useId();
  return (
    <div class={fault === undefined ? "field" : "field faulty"}>
      <label for={id}>{label}</label>
      {children(id, `${id}-about`, fault !== undefined)}
      <p id={`${id}-about`} class={fault === undefined ? "note" : "fault"}>{fault ?? hint ?? ""}</p>
    </div>
  );
}
