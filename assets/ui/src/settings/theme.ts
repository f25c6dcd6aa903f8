export type Theme = 'system' | 'light' | 'dark';

const name = 'cardea.theme';

export function currentTheme(): Theme {
  const kept = localStorage.getItem(name);
  return kept === 'light' || kept === 'dark' ? kept : 'system';
}

export function applyTheme(theme: Theme = currentTheme()): void {
  if (theme === 'system') {
    localStorage.removeItem(name);
    delete document.documentElement.dataset.theme;
  } else {
    localStorage.setItem(name, theme);
    document.documentElement.dataset.theme = theme;
  }
}
