/** The colours of the page as a canvas wants them. */
import type { Palette } from './draw';

/** Reads them by an element in the page, so that light and dark and what a person chose are followed. */
export function readPalette(probe: HTMLElement): Palette {
  const colour = (value: string): string => {
    probe.style.color = value;
    return getComputedStyle(probe).color;
  };
  return {
    ink: colour('var(--ink)'),
    faint: colour('var(--ink-3)'),
    line: colour('color-mix(in srgb, var(--line-strong) 55%, var(--line))'),
    ground: colour('var(--surface)'),
    sunken: colour('var(--sunken)'),
    accent: colour('var(--accent)'),
    recorded: colour('var(--recorded)'),
    gap: colour('color-mix(in srgb, var(--danger) 75%, transparent)'),
    events: {
      motion: colour('light-dark(#d98300, #ffc35c)'),
      person: colour('light-dark(#2f5fd0, #8fb4ff)'),
      trouble: colour('var(--danger)'),
      other: colour('var(--ink-3)'),
    },
  };
}

/** Calls back when the colours change; the function it returns ends that. */
export function whenColours(change: () => void): () => void {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  dark.addEventListener('change', change);
  const observer = new MutationObserver(change);
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
  return () => {
    dark.removeEventListener('change', change);
    observer.disconnect();
  };
}
