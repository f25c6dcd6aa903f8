/** Which screen is shown: the path of the address bar. Every path answers with the same page. */

class Router {
  path = $state(location.pathname);
  query = $state(new URLSearchParams(location.search));

  constructor() {
    this.land();
    addEventListener('popstate', () => this.read());
    // Links inside the app change the screen without loading the page again.
    addEventListener('click', (event) => {
      if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
      const link = (event.target as Element | null)?.closest?.('a');
      if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
      if (link.hash && link.pathname === location.pathname) return;
      if (link.dataset.native !== undefined) return;
      event.preventDefault();
      this.go(link.pathname + link.search + link.hash);
    });
  }

  private read(): void {
    this.path = location.pathname;
    this.query = new URLSearchParams(location.search);
  }

  go(to: string, replace = false): void {
    if (replace) history.replaceState(null, '', to);
    else history.pushState(null, '', to);
    this.read();
    scrollTo(0, 0);
    this.land();
  }

  /** Goes to what the # names, which may come a moment after its screen. Secrets stand behind a # too, but on other paths. */
  private land(tries = 60): void {
    const id = location.hash.slice(1);
    if (!/^[\w-]{2,40}$/.test(id)) return;
    const target = document.getElementById(id);
    // A field may be there before it can be filled in.
    if (!target || target.matches(':disabled')) {
      if (tries > 1) setTimeout(() => this.land(tries - 1), 50);
      return;
    }
    target.scrollIntoView({ block: 'center' });
    target.focus({ preventScroll: true });
  }
}

export const router = new Router();
