// A newcomer on paper. The acts of a journey are counted, and each has the cost that the keystroke-level model gives it
// (Card, Moran, Newell 1980), so that the length of a first run does not hang on the speed of a test machine.

/** Seconds an act takes a person who has never seen the page. */
const cost = {
  key: 0.28, // one key, an average typist who does not do this for a living
  think: 1.35, // to decide what comes next
  point: 1.1, // to aim at something
  press: 0.2, // and to press the button there
  home: 0.4, // the hand moves between mouse and keyboard
  word: 60 / 238, // silent reading, Brysbaert 2019
};

/** What a person does with the page, with the time that it takes on paper. */
export class Newcomer {
  constructor(page) {
    this.page = page;
    this.steps = [];
    this.read = new Set();
  }

  /** Begins a step of the journey. One that is a detour is what a mistake costs, and counted for itself. */
  step(name, detour = false) {
    // Who comes back from a mistake goes on with a form that was thought about.
    const thought = !detour && (this.#now?.detour ?? false);
    this.steps.push({ name, detour, thought, seconds: 0, keys: 0, clicks: 0, words: 0 });
  }

  get #now() {
    return this.steps.at(-1);
  }

  #spend(seconds) {
    this.#now.seconds += seconds;
  }

  /** Reads all that the page shows and was not read before. Keys and codes are copied, not read, and the
   * label of a button is found in the time that thinking and pointing are given. */
  async reads() {
    const lines = await this.page.evaluate(() => {
      const copied = [...document.querySelectorAll('.mono, code, button')].map((e) => e.innerText.trim()).filter(Boolean);
      const text = copied.reduce((all, part) => all.replace(part, ''), document.body.innerText);
      return text.split('\n').map((line) => line.trim()).filter(Boolean);
    });
    for (const line of lines.filter((l) => !this.read.has(l))) {
      this.read.add(line);
      const words = line.split(/\s+/).filter((w) => /\p{L}/u.test(w)).length;
      this.#now.words += words;
      this.#spend(words * cost.word);
    }
  }

  /** Thinks before the first act of a form; the acts after it follow from it (the model's rule for units of thought). */
  #decides() {
    if (!this.#now.thought) this.#spend(cost.think);
    this.#now.thought = true;
  }

  async click(what) {
    await what.click();
    this.#now.clicks++;
    this.#decides();
    this.#spend(cost.point + cost.press);
  }

  /** Types into a field: aims at it where the page has not put the caret there, and presses a key for each character. */
  async type(field, text) {
    const there = await field.evaluate((element) => element === document.activeElement);
    await field.fill(text);
    this.#now.keys += text.length;
    if (!there) {
      this.#now.clicks++;
      this.#spend(cost.point + cost.press);
    }
    this.#decides();
    this.#spend(cost.home + text.length * cost.key);
  }

  /** Pastes what was kept: finds the file, opens it, marks and copies all of it, and comes back. */
  async paste(field, text) {
    await field.fill(text);
    this.#now.keys += 6;
    this.#now.clicks += 3;
    this.#spend(3 * (cost.think + cost.point + cost.press) + 2 * cost.home + 6 * cost.key);
  }

  /** What happens away from the page, with a stated time. */
  away(seconds) {
    this.#spend(seconds);
  }

  /** Lines for people, and the sums. */
  report() {
    const sum = (list, what) => list.reduce((all, step) => all + step[what], 0);
    const straight = this.steps.filter((s) => !s.detour);
    const detours = this.steps.filter((s) => s.detour);
    const lines = this.steps.map((s) => `${s.name}${s.detour ? ' (a mistake)' : ''}: ${s.seconds.toFixed(1)} s; ${s.words} words, ${s.clicks} clicks, ${s.keys} keys`);
    return { lines, person: sum(straight, 'seconds'), mistakes: sum(detours, 'seconds'), clicks: sum(straight, 'clicks'), keys: sum(straight, 'keys'), words: sum(straight, 'words') };
  }
}
