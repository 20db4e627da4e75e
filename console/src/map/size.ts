// How large marks are on the map, the same for both ways of drawing it.

/** A mark without a letter, as a share of one with. */
export const SMALL = 0.7;

/** About two lines of text; less where the map is as narrow as a phone. */
export const markSize = (textPx: number, mapWidth: number): number => textPx * (mapWidth < 500 ? 1.6 : 2.1);
