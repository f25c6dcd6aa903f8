/** Where the pictures of a wall of cameras stand: without holes, in the order of the cameras, each in its own shape. */

export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

export interface Arrangement {
  boxes: Box[];
  /** What all of them take. */
  height: number;
}

/** Narrower than this nobody recognizes anything. */
const smallest = 168;

/** n things in rows as even as possible, the shorter rows first, so that they are larger. */
export function rowsOf(n: number, rows: number): number[] {
  const short = Math.floor(n / rows);
  const long = n % rows;
  return Array.from({ length: rows }, (_, i) => (i < rows - long ? short : short + 1));
}

/** The boxes of rows that each fill the width. */
function justify(aspects: readonly number[], sizes: readonly number[], width: number, gap: number): Arrangement {
  const boxes: Box[] = [];
  let top = 0;
  let at = 0;
  for (const size of sizes) {
    const row = aspects.slice(at, at + size);
    at += size;
    const height = (width - gap * (size - 1)) / row.reduce((sum, a) => sum + a, 0);
    let left = 0;
    for (const aspect of row) {
      boxes.push({ left, top, width: aspect * height, height });
      left += aspect * height + gap;
    }
    top += height + gap;
  }
  return { boxes, height: Math.max(0, top - gap) };
}

/**
 * Arranges pictures of the given aspect ratios in a space. Of all numbers of rows it takes the one that shows most, everything on one
 * screen where that is possible.
 */
export function arrange(aspects: readonly number[], width: number, height: number, gap = 8): Arrangement {
  const n = aspects.length;
  if (n === 0 || width <= 0) return { boxes: [], height: 0 };
  // On a phone one scrolls.
  if (width < 640) return justify(aspects, rowsOf(n, n > 3 ? Math.ceil(n / 2) : n), width, gap);
  const columns = Math.max(1, Math.floor((width + gap) / (smallest + gap)));
  let best: Arrangement | undefined;
  let most = -1;
  for (let rows = 1; rows <= n; rows++) {
    const sizes = rowsOf(n, rows);
    const across = Math.max(...sizes);
    if (across > columns && rows < n) continue;
    let made = justify(aspects, sizes, width, gap);
    if (made.height > height) {
      // As much narrower as makes it fit, in the middle.
      const gaps = gap * (rows - 1);
      const scale = (height - gaps) / (made.height - gaps);
      if (scale <= 0 || (width * scale) / across < smallest) continue;
      made = justify(aspects, sizes, width * scale, gap);
      const aside = (width - width * scale) / 2;
      made = { boxes: made.boxes.map((b) => ({ ...b, left: b.left + aside })), height: made.height };
    }
    const area = made.boxes.reduce((sum, b) => sum + b.width * b.height, 0);
    if (area > most) {
      most = area;
      best = made;
    }
  }
  // So many that they do not fit on one screen: as small as they may be, and one scrolls.
  return best ?? justify(aspects, rowsOf(n, Math.ceil(n / columns)), width, gap);
}

/** One picture large and the others in a strip below it. */
export function feature(aspects: readonly number[], chosen: number, width: number, height: number, gap = 8): Arrangement {
  const aspect = aspects[chosen] ?? 16 / 9;
  const others = aspects.length - 1;
  const narrow = width < 640;
  const across = narrow ? 2 : Math.max(1, Math.min(Math.max(others, 4), Math.floor((width + gap) / (smallest + 32 + gap))));
  const small = (width - gap * (across - 1)) / across;
  // One row of the others is on the same screen.
  const room = narrow ? Infinity : Math.max(240, height - (others ? (small * 9) / 16 + gap * 2 : 0));
  const large = Math.min(width, room * aspect);
  const main = { left: (width - large) / 2, top: 0, width: large, height: large / aspect };
  let i = 0;
  const boxes = aspects.map((_, index) => {
    if (index === chosen) return main;
    const at = i++;
    return { left: (at % across) * (small + gap), top: main.height + gap * 2 + Math.floor(at / across) * ((small * 9) / 16 + gap), width: small, height: (small * 9) / 16 };
  });
  return { boxes, height: main.height + (others ? gap * 2 + Math.ceil(others / across) * ((small * 9) / 16 + gap) - gap : 0) };
}
