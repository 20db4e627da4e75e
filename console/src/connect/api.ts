// The requests of the onboarding page.
import { ask, everyItem } from "../api";
import type { Card, Department, DeviceKnown, DeviceWanted, Invitation, Onboarding, Profile, SignedCard, Spot } from "./contract";

const at = (device: string) => `devices/${encodeURIComponent(device)}`;

export const readDepartments = () => everyItem<Department>("departments");
export const readProfiles = () => everyItem<Profile>("profiles");
export const readGateways = () => everyItem<DeviceKnown>("devices?profile=gateway");
export const readDevice = (device: string) => ask<DeviceKnown>("GET", at(device));

/** Devices whose card nobody has signed yet. */
export const readWaiting = async () =>
  (await Promise.all([everyItem<DeviceKnown>("devices?state=installed"), everyItem<DeviceKnown>("devices?state=planned")])).flat();

export const readLabel = (code: string) => ask<{ profile: string; serial: string }>("GET", `labels?code=${encodeURIComponent(code)}`);
export const register = (wanted: DeviceWanted) => ask<Invitation>("POST", "devices", wanted);
export const invite = (device: string) => ask<Invitation>("POST", `${at(device)}/enrolment`);
export const readProgress = (device: string) => ask<Onboarding>("GET", `${at(device)}/onboarding`);

export function measure(device: string, spot: Spot | null): Promise<{ now: Card; signed: SignedCard | null }> {
  const where = spot === null ? "" : `?lon=${spot.lon}&lat=${spot.lat}&accuracy=${spot.accuracy}`;
  return ask("GET", `${at(device)}/acceptance${where}`);
}

export const sign = (device: string, spot: Spot | null, remark: string) => ask<SignedCard>("POST", `${at(device)}/acceptance`, { ...spot, remark });
export const photograph = (device: string, picture: Blob) => ask<{ photo: number }>("PUT", `${at(device)}/photo`, picture);
export const photoAt = (device: string, photo: number) => `/api/v1/${at(device)}/photo?no=${photo}`;
export const pdfAt = (device: string) => `/api/v1/${at(device)}/acceptance.pdf`;
