// A picture from the phone's camera made small enough for a weak network; the hub draws it anew without place and time.
const LONGEST = 1600;
const MOST_BYTES = 1_000_000;
const QUALITIES = [0.82, 0.6, 0.4];

/** Width and height that fit, never larger than they were. */
export function fitted(width: number, height: number): [number, number] {
  const scale = Math.min(1, LONGEST / Math.max(width, height));
  return [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
}

/** A JPEG of at most a megabyte; throws where the file is no picture. */
export async function smaller(file: Blob): Promise<Blob> {
  const picture = await createImageBitmap(file, { imageOrientation: "from-image" });
  try {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = fitted(picture.width, picture.height);
    const pen = canvas.getContext("2d");
    if (!pen) throw new Error("no canvas");
    pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
    for (const quality of QUALITIES) {
      const made = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/jpeg", quality));
      if (made && made.size <= MOST_BYTES) return made;
    }
    throw new Error("too large");
  } finally {
    picture.close();
  }
}
