// An invented alarm for the tests, with what the test says about it.
import type { Alarm } from "../src/contract";

export const alarmLike = (said: Partial<Alarm>): Alarm => ({
  id: "1", rule: "depth-high", title: "Water in the street", level: 3, peak_level: 3, state: "standing", acknowledged_at: null, acknowledged_by: null,
  device: "gauge-1", device_name: "Gauge 1", department: "water", series: 1, metric: "depth", unit: "cm", zone: "zone-1", zone_name: "Zone 1",
  value: 42, threshold: 30, now: null, interval_s: 10, raised_at: "2026-11-22T14:00:00Z", changed_at: "2026-11-22T14:00:00Z", returned_at: null,
  exercise: false, lon: 119.3, lat: 29.1, trend: 1, reason: null, ...said,
});
