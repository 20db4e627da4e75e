// The phone's one big action, at the thumb, for the open card; not armed for a moment when the card has just changed under it.
import { useEffect, useState } from "preact/hooks";
import { Acknowledge, Who } from "./AlarmRow";
import { holdOf } from "./alarms";
import type { Alarm } from "./contract";

const ARMED_AFTER_MS = 700;

export function Thumb({ alarm, letter }: { alarm: Alarm; letter: string }) {
  const [armed, setArmed] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setArmed(true), ARMED_AFTER_MS);
    return () => clearTimeout(timer);
  }, []);
  const hold = holdOf(alarm);
  const open = hold === "untaken" || hold === "over";
  return (
    <div class="thumb">
      {open ? <Acknowledge alarm={alarm} letter={letter} big disabled={!armed} /> : <p class="thumb-taken"><Who alarm={alarm} /></p>}
    </div>
  );
}
