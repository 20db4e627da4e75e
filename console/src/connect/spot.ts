// Where the phone stands, in WGS 84, or why it does not say.
import type { Spot } from "./contract";

export type NoSpot = "insecure" | "denied" | "unknown" | "late";

const WITHIN_MS = 30_000;

/** Asks the browser once, for the best it can do. Throws a NoSpot. */
export function stand(): Promise<Spot> {
  return new Promise((found, missing: (why: NoSpot) => void) => {
    if (!isSecureContext || !("geolocation" in navigator)) return missing("insecure");
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => found({ lon: rounded(coords.longitude), lat: rounded(coords.latitude), accuracy: Math.ceil(coords.accuracy) }),
      (error) => missing(error.code === error.PERMISSION_DENIED ? "denied" : error.code === error.TIMEOUT ? "late" : "unknown"),
      { enableHighAccuracy: true, timeout: WITHIN_MS, maximumAge: 0 },
    );
  });
}

/** A tenth of a metre says more than a phone knows. */
const rounded = (degrees: number): number => Math.round(degrees * 1e6) / 1e6;
