// The current values for the parts of the page that show them.
import type { Alarm } from "./contract";
import { currentOf, type Current } from "./current";
import { useNow } from "./now";
import { situation } from "./situation";
import { useSlice } from "./store";

/** The time by the hub's clock: how old a reading is must not depend on the clock of this machine. */
export function useHubNow(): number {
  const ahead = useSlice(situation, (now) => now.hubAhead);
  return useNow() + ahead;
}

export function useCurrent(alarm: Alarm): Current {
  const values = useSlice(situation, (now) => now.values);
  return currentOf(alarm, values, useHubNow());
}
