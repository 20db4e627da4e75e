// The phone's position as a page uses it: asked for by a button, found or not.
import { useState } from "preact/hooks";
import type { Spot } from "./contract";
import { stand, type NoSpot } from "./spot";

export interface Standing {
  spot: Spot | null;
  finding: boolean;
  why: NoSpot | null;
  find(): Promise<Spot | null>;
}

export function useSpot(): Standing {
  const [state, set] = useState<Omit<Standing, "find">>({ spot: null, finding: false, why: null });
  const find = async (): Promise<Spot | null> => {
    set((before) => ({ ...before, finding: true, why: null }));
    try {
      const spot = await stand();
      set({ spot, finding: false, why: null });
      return spot;
    } catch (why) {
      set((before) => ({ ...before, finding: false, why: why as NoSpot }));
      return null;
    }
  };
  return { ...state, find };
}
