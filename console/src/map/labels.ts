// Finds room for the labels of the plain plan: right of the mark, else left, else under or over it, else none. No I/O.

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Label {
  x: number;
  y: number;
  anchor: "start" | "middle" | "end";
}

/** About how wide the text will be: a Chinese character is one em, a Latin letter a bit more than half. */
export function textWidth(text: string, px: number): number {
  let ems = 0;
  for (const sign of text) ems += sign.charCodeAt(0) > 0x2e7f ? 1 : 0.58;
  return ems * px;
}

/** The text in lines of about so many ems, broken between words. */
export function folded(text: string, ems: number): string {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && textWidth(longer, 1) <= ems) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines.join("\n");
}

const overlap = (a: Box, b: Box): boolean =>
  a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;

const inside = (box: Box, frame: Box): boolean =>
  box.x >= frame.x && box.y >= frame.y && box.x + box.width <= frame.x + frame.width && box.y + box.height <= frame.y + frame.height;

/** A name in the middle of its zone, or nowhere: beside it, it would name another zone. */
export function inMiddle([x, y]: [number, number], line: string, px: number, frame: Box, taken: Box[]): Label | null {
  const width = textWidth(line, px);
  const box = { x: x - width / 2, y: y - px * 0.65, width, height: px * 1.3 };
  if (!inside(box, frame) || taken.some((other) => overlap(box, other))) return null;
  taken.push(box);
  return { x, y: box.y, anchor: "middle" };
}

/** The label of a two-line text at a mark, or null; `taken` grows by the box it will fill. */
export function place(at: [number, number], lines: readonly string[], px: number, frame: Box, taken: Box[], gap = px * 1.45): Label | null {
  const width = Math.max(...lines.map((line) => textWidth(line, px)));
  const height = px * 1.3 * lines.length;
  const [x, y] = at;
  const tries: { box: Box; label: Label }[] = [
    { box: { x: x + gap, y: y - height / 2, width, height }, label: { x: x + gap, y: y - height / 2, anchor: "start" } },
    { box: { x: x - gap - width, y: y - height / 2, width, height }, label: { x: x - gap, y: y - height / 2, anchor: "end" } },
    { box: { x: x - width / 2, y: y + gap, width, height }, label: { x, y: y + gap, anchor: "middle" } },
    { box: { x: x - width / 2, y: y - gap - height, width, height }, label: { x, y: y - gap - height, anchor: "middle" } },
  ];
  for (const { box, label } of tries) {
    if (!inside(box, frame) || taken.some((other) => overlap(box, other))) continue;
    taken.push(box);
    return label;
  }
  return null;
}
