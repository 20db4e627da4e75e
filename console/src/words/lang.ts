// The languages of the console.
export type Lang = "zh" | "en";
