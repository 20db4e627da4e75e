// Keeps rows in place while a person is pointing at the list: nothing moves under the pointer, news waits at the end.
import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

/** The ids in the order to show. While held, known ids keep their places (even if closed meanwhile) and new ones go last. */
export function seat(previous: readonly string[], wanted: readonly string[], held: boolean): readonly string[] {
  if (!held) return sameOrder(previous, wanted) ? previous : wanted;
  const known = new Set(previous);
  const added = wanted.filter((id) => !known.has(id));
  return added.length === 0 ? previous : [...previous, ...added];
}

function sameOrder(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((id, place) => id === b[place]);
}

/** A pointer that rests this long no longer holds the list: a mouse left on a wall must not freeze it. */
const REST_MS = 8_000;

/** True while a pointer moves over the element or keys are pressed in it, until rest or leaving. */
export function useHeld<E extends HTMLElement>(): { ref: RefObject<E | null>; held: boolean } {
  const ref = useRef<E>(null);
  const [held, setHeld] = useState(false);
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const hold = () => {
      clearTimeout(timer);
      timer = setTimeout(() => setHeld(false), REST_MS);
      setHeld(true);
    };
    const leave = (event: PointerEvent) => {
      // A finger that lifts is about to come back; a mouse that leaves is gone.
      if (event.pointerType !== "mouse") return;
      clearTimeout(timer);
      setHeld(false);
    };
    const holding = ["pointermove", "pointerdown", "keydown", "focusin"] as const;
    for (const type of holding) element.addEventListener(type, hold);
    element.addEventListener("pointerleave", leave);
    return () => {
      clearTimeout(timer);
      for (const type of holding) element.removeEventListener(type, hold);
      element.removeEventListener("pointerleave", leave);
    };
  }, []);
  return { ref, held };
}
