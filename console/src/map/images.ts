// The marks of the vector map, drawn on a canvas from the same shapes as the list's: no sprite file.
import type { Map as VectorMap } from "maplibre-gl";
import { digitOf } from "../alarms";
import { COLOURS, DARK, DASH, EXERCISE_FRAME, OUTLINE, SHAPES } from "../levels";
import type { Mark } from "./scene";

/** Draws nothing; it keeps labels from lying over a mark. */
export const ROOM_IMAGE = "room";

const FONT = `"Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif`;
type Drawn = Pick<Mark, "level" | "hold" | "exercise" | "letter" | "selected">;

export function addRoomImage(map: VectorMap, px: number): void {
  const side = Math.round(px * 1.1);
  map.addImage(ROOM_IMAGE, new ImageData(side, side));
}

/**
 * The name of the mark's image, drawn now if it is new. Images must be there before the marks that wear them:
 * adding them when the map misses them (styleimagemissing) loses marks when the data changes at the same time.
 */
export function markImage(map: VectorMap, mark: Drawn, px: number): string {
  const id = ["mark", mark.level, mark.hold, mark.exercise, mark.selected, mark.letter].join("/");
  if (!map.hasImage(id)) {
    const ratio = Math.max(2, Math.ceil(window.devicePixelRatio));
    map.addImage(id, draw(mark, Math.round(px * ratio)), { pixelRatio: ratio });
  }
  return id;
}

/** A square twice as wide as the mark: room for letter, frame and ring, and the mark's middle stays the place. */
function draw(mark: Drawn, px: number): ImageData {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = px * 2;
  const pen = canvas.getContext("2d");
  if (!pen) throw new Error("no 2D canvas");
  const shape = SHAPES[mark.level];
  const colour = COLOURS[mark.level];
  pen.scale(px / 100, px / 100);
  pen.translate(50, 50);
  const body = new Path2D(shape.path);
  if (mark.selected) {
    pen.lineWidth = 7;
    pen.strokeStyle = "#edf1f4";
    pen.stroke(new Path2D("M-30 50A80 80 0 1 0 130 50A80 80 0 1 0 -30 50Z"));
  }
  pen.lineJoin = "round";
  pen.lineWidth = 16;
  pen.strokeStyle = "#12171b";
  pen.stroke(body);
  if (mark.hold === "untaken") {
    pen.fillStyle = colour;
    pen.fill(body);
  } else {
    pen.fillStyle = "#161c21";
    pen.fill(body);
    pen.save();
    pen.translate(5, 5);
    pen.scale(0.9, 0.9);
    pen.lineWidth = OUTLINE;
    pen.strokeStyle = colour;
    if (mark.hold === "over") pen.setLineDash(DASH);
    pen.stroke(body);
    pen.restore();
  }
  if (mark.exercise) {
    pen.lineWidth = 7;
    pen.strokeStyle = "#edf1f4";
    pen.stroke(new Path2D(EXERCISE_FRAME));
  }
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.fillStyle = mark.hold === "untaken" ? DARK : colour;
  pen.font = `700 ${shape.digitSize}px ${FONT}`;
  pen.fillText(String(digitOf(mark.level)), 50, shape.digitY + 4);
  if (mark.letter) {
    pen.font = `700 54px ${FONT}`;
    pen.lineWidth = 14;
    pen.strokeStyle = "#12171b";
    pen.strokeText(mark.letter, -14, 2);
    pen.fillStyle = "#edf1f4";
    pen.fillText(mark.letter, -14, 2);
  }
  return pen.getImageData(0, 0, canvas.width, canvas.height);
}
