// What the hub says of onboarding and acceptance, in the contract's own names.

export interface DeviceKnown {
  id: string;
  name: string | null;
  department: string | null;
  profile: string | null;
  gateway: string | null;
  state: string;
  last_at: string | null;
}

export interface Department {
  id: string;
  name: string;
}

export interface Profile {
  id: string;
  body: { name?: string };
}

export type Datum = "WGS84" | "GCJ02" | "BD09" | "CGCS2000";

export interface DeviceWanted {
  id: string;
  name: string | null;
  profile: string;
  department: string | null;
  gateway: string | null;
  lon: number | null;
  lat: number | null;
  datum: Datum;
}

/** Shown once and held in memory alone: whoever has the token can become the device. */
export interface Invitation {
  device: string;
  token: string;
  link: string;
  /** The address of an SVG picture, `data:`. */
  qr: string;
  expires_at: string;
}

export const STEPS = ["created", "enrolled", "connected", "reading", "accepted"] as const;
export type StepName = (typeof STEPS)[number];

export interface Onboarding {
  device: string;
  state: StepName;
  steps: { name: StepName; done: boolean; at: string | null }[];
  latest: { metric: string; unit: string; time: string; value: number | null; flag: number }[];
  refused: { reason: string; detail: string; times: number; at: string }[];
  advice: string;
}

export type Verdict = "ok" | "attention" | "fail";

export interface CardLine {
  what: string;
  value: string;
  limit: string;
  verdict: Verdict;
  why: string;
}

export interface Card {
  device: string;
  name: string;
  begins_at: string;
  ends_at: string;
  verdict: Verdict;
  lines: CardLine[];
  photo: number | null;
}

export interface SignedCard extends Card {
  id: number;
  remark: string;
  signed_by: string;
  signed_at: string;
}

/** Where the phone stands, WGS 84, with its own estimate of the error in metres. */
export interface Spot {
  lon: number;
  lat: number;
  accuracy: number;
}
