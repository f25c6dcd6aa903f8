/** Paints the lanes. All of it is decided by its input; where things are is decided by scale.ts and ticks.ts. */
import { coalesce, lengthOf, xOf } from './scale';
import type { Family, Lane } from './data';
import type { Range } from './day';
import type { Tick } from './ticks';

/** Colours, resolved: a canvas knows no custom properties. */
export interface Palette {
  ink: string;
  faint: string;
  line: string;
  ground: string;
  sunken: string;
  accent: string;
  recorded: string;
  gap: string;
  events: Record<Family, string>;
}

export interface Row {
  lane: Lane;
  selected: boolean;
  /** Whether all of it was fetched. */
  whole: boolean;
  /** Of its track, in CSS pixels. */
  top: number;
  height: number;
  /** Footage before this moment goes within a day; undefined where that is not known. */
  goes: number | undefined;
}

export interface Scene {
  view: Range;
  width: number;
  height: number;
  axis: number;
  rows: Row[];
  ticks: (Tick & { text: string })[];
  now: number;
  position: number | undefined;
  pointer: number | undefined;
  /** In and out marks. */
  marked: { in: number | undefined; out: number | undefined };
}

const radius = 8;

export function draw(context: CanvasRenderingContext2D, scale: number, scene: Scene, palette: Palette): void {
  const { view, width, height } = scene;
  const x = (t: number) => xOf(view, width, t);
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  for (const row of scene.rows) drawRow(context, scene, row, palette, x);
  drawAxis(context, scene, palette, x);
  drawMarks(context, scene, palette, x);
  const top = scene.axis;
  if (scene.now > view.from && scene.now < view.to) {
    context.strokeStyle = palette.faint;
    context.lineWidth = 1.5;
    context.setLineDash([3, 3]);
    line(context, x(scene.now), top - 4, height);
    context.setLineDash([]);
  }
  if (scene.pointer !== undefined) {
    context.fillStyle = palette.faint;
    context.fillRect(Math.round(x(scene.pointer)), top - 4, 1, height - top + 4);
  }
  if (scene.position !== undefined) drawHead(context, x(scene.position), top, height, palette);
}

function line(context: CanvasRenderingContext2D, x: number, top: number, bottom: number): void {
  context.beginPath();
  context.moveTo(x, top);
  context.lineTo(x, bottom);
  context.stroke();
}

function drawRow(context: CanvasRenderingContext2D, scene: Scene, row: Row, palette: Palette, x: (t: number) => number): void {
  const { view, width, now } = scene;
  const { top, height } = row;
  const perPixel = lengthOf(view) / width;
  context.save();
  context.beginPath();
  context.roundRect(0, top, width, height, radius);
  context.clip();
  context.fillStyle = palette.sunken;
  context.fillRect(0, top, width, height);
  // Days are told apart by a line.
  context.fillStyle = palette.line;
  for (const tick of scene.ticks) if (tick.label === 'day') context.fillRect(Math.round(x(tick.t)), top, 1, height);

  const inView = <T extends Range>(list: T[]) => list.filter((r) => r.to > view.from && r.from < view.to);
  const bar = (r: Range, least: number): [number, number] => {
    const from = Math.max(-2, x(r.from));
    return [from, Math.max(least, Math.min(width + 2, x(r.to)) - from)];
  };
  const spanTop = top + 6;
  const spanHeight = height - 16;
  context.fillStyle = palette.recorded;
  context.globalAlpha = row.selected ? 1 : 0.6;
  for (const span of coalesce(inView(row.lane.spans), perPixel * 0.75)) {
    const [from, wide] = bar(span, 1.5);
    context.beginPath();
    context.roundRect(from, spanTop, wide, spanHeight, Math.min(3, wide / 2));
    context.fill();
  }
  context.globalAlpha = 1;
  if (row.goes !== undefined && row.goes > view.from) drawGoing(context, row, x, palette);

  for (const gap of coalesce(inView(row.lane.gaps), perPixel)) {
    const [from, wide] = bar(gap, 3);
    hatch(context, from, top, wide, height, palette.gap);
  }
  const events = inView(row.lane.events.map((e) => ({ ...e, to: Math.max(e.to, e.from + 1) }))).sort((a, b) => a.from - b.from);
  for (const family of ['other', 'motion', 'person', 'trouble'] as const) {
    context.fillStyle = palette.events[family];
    for (const event of coalesce(events.filter((e) => e.family === family), perPixel * 2)) {
      const [from, wide] = bar(event, 4);
      if (family === 'trouble') {
        // Trouble hangs from above, so that colour is not the only difference.
        context.fillRect(from, top, wide, 4);
        continue;
      }
      context.beginPath();
      context.roundRect(from, top + height - 8, wide, 6, 2);
      context.fill();
      if (family === 'person') {
        context.beginPath();
        context.arc(from + Math.min(wide / 2, 6), top + height - 12, 3.5, 0, 7);
        context.fill();
      }
    }
  }
  if (now < view.to) {
    context.fillStyle = palette.ground;
    context.globalAlpha = 0.6;
    context.fillRect(Math.max(0, x(now)), top, width, height);
    context.globalAlpha = 1;
  }
  context.restore();
  if (row.selected) {
    context.strokeStyle = palette.accent;
    context.lineWidth = 1.5;
    context.beginPath();
    context.roundRect(0.75, top + 0.75, width - 1.5, height - 1.5, radius - 1);
    context.stroke();
  }
}

/** What will be gone within a day is pale, and ends in an edge. */
function drawGoing(context: CanvasRenderingContext2D, row: Row, x: (t: number) => number, palette: Palette): void {
  const edge = x(row.goes ?? 0);
  context.fillStyle = palette.sunken;
  context.globalAlpha = 0.55;
  context.fillRect(0, row.top, edge, row.height);
  context.globalAlpha = 1;
  context.strokeStyle = palette.faint;
  context.lineWidth = 1;
  context.setLineDash([2, 2]);
  line(context, Math.round(edge) + 0.5, row.top, row.top + row.height);
  context.setLineDash([]);
}

function hatch(context: CanvasRenderingContext2D, from: number, top: number, wide: number, height: number, colour: string): void {
  context.save();
  context.beginPath();
  context.rect(from, top, wide, height);
  context.clip();
  context.strokeStyle = colour;
  context.lineWidth = 2.5;
  context.beginPath();
  // On a grid of the canvas, so that neighbours fit together.
  for (let at = Math.floor((from - height) / 7) * 7; at < from + wide; at += 7) {
    context.moveTo(at, top + height);
    context.lineTo(at + height, top);
  }
  context.stroke();
  context.restore();
}

function drawAxis(context: CanvasRenderingContext2D, scene: Scene, palette: Palette, x: (t: number) => number): void {
  const { axis, width } = scene;
  context.font = '12.5px Figtree, system-ui, sans-serif';
  context.textBaseline = 'alphabetic';
  for (const tick of scene.ticks) {
    const at = x(tick.t);
    const labelled = tick.label !== 'none';
    context.fillStyle = palette.line;
    context.fillRect(Math.round(at), axis - (labelled ? 10 : 8), 1, labelled ? 6 : 3);
    if (!labelled) continue;
    context.fillStyle = tick.label === 'day' ? palette.ink : palette.faint;
    const wide = context.measureText(tick.text).width;
    // A label at the edge moves in instead of being cut.
    const from = Math.min(Math.max(at - wide / 2, 0), width - wide);
    if (Math.abs(from + wide / 2 - at) > wide / 2 + 4) continue;
    context.fillText(tick.text, from, axis - 15);
  }
}

function drawMarks(context: CanvasRenderingContext2D, scene: Scene, palette: Palette, x: (t: number) => number): void {
  const { marked, axis, height, width } = scene;
  const from = marked.in === undefined ? undefined : x(marked.in);
  const to = marked.out === undefined ? undefined : x(marked.out);
  context.fillStyle = palette.accent;
  if (from !== undefined && to !== undefined && to > from) {
    context.globalAlpha = 0.18;
    context.fillRect(Math.max(0, from), axis - 4, Math.min(width, to) - Math.max(0, from), height - axis + 4);
    context.globalAlpha = 1;
  }
  const flag = (at: number, direction: 1 | -1) => {
    context.fillRect(at - 1, axis - 4, 2, height - axis + 4);
    context.beginPath();
    context.moveTo(at, axis - 4);
    context.lineTo(at + direction * 9, axis - 4);
    context.lineTo(at, axis + 7);
    context.fill();
  };
  if (from !== undefined) flag(from, 1);
  if (to !== undefined) flag(to, -1);
}

function drawHead(context: CanvasRenderingContext2D, at: number, top: number, bottom: number, palette: Palette): void {
  context.fillStyle = palette.ground;
  context.fillRect(at - 2.5, top - 2, 5, bottom - top + 2);
  context.fillStyle = palette.ink;
  context.fillRect(at - 1, top - 4, 2, bottom - top + 4);
  context.beginPath();
  context.moveTo(at - 7, top - 12);
  context.lineTo(at + 7, top - 12);
  context.lineTo(at + 7, top - 6);
  context.lineTo(at, top + 1);
  context.lineTo(at - 7, top - 6);
  context.closePath();
  context.fill();
}
