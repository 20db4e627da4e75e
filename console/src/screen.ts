// What kind of screen it is, and how many rows fit on it.
import type { RefObject } from "preact";
import { useEffect, useState } from "preact/hooks";

const PHONE = matchMedia("(max-width: 820px)");

export function usePhone(): boolean {
  const [phone, setPhone] = useState(PHONE.matches);
  useEffect(() => {
    const look = () => setPhone(PHONE.matches);
    PHONE.addEventListener("change", look);
    return () => PHONE.removeEventListener("change", look);
  }, []);
  return phone;
}

/** A row needs three lines of text and a button of 44 px. */
const ROW_REM = 5.8;
const HEAD_AND_FOOT_REM = 5;

export function useRowsThatFit(floor: RefObject<HTMLElement | null>): number {
  const [rows, setRows] = useState(6);
  useEffect(() => {
    const element = floor.current;
    if (!element) return;
    const watcher = new ResizeObserver(() => {
      const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
      const row = Math.max(ROW_REM * rem, 62);
      setRows(Math.max(1, Math.floor((element.clientHeight - HEAD_AND_FOOT_REM * rem) / row)));
    });
    watcher.observe(element);
    return () => watcher.disconnect();
  }, []);
  return rows;
}
