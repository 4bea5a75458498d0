/** Finds where a text stops being JSON: engines do not always say. */

export interface Fault {
  position: number;
  message: string;
}

const STRING = /"(?:[^"\\\p{Cc}]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/uy;
const ATOM = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const SPACE = /[ \t\n\r]*/y;

/** Reads one value after the other; throws the fault. */
class Scanner {
  private at = 0;

  constructor(private readonly text: string) {}

  document(): void {
    this.value();
    if (this.at < this.text.length) this.fail("Nothing is expected after the value");
  }

  private fail(message: string): never {
    throw { position: this.at, message } satisfies Fault;
  }

  private take(pattern: RegExp): boolean {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found) this.at += found[0].length;
    return found !== null;
  }

  private next(character: string): boolean {
    this.take(SPACE);
    if (this.text[this.at] !== character) return false;
    this.at += 1;
    this.take(SPACE);
    return true;
  }

  private value(): void {
    this.take(SPACE);
    if (this.next("[")) this.parts("]", () => this.value());
    else if (this.next("{")) this.parts("}", () => this.member());
    else if (this.text[this.at] === '"') this.string();
    else if (!this.take(ATOM))
      this.fail("A value is expected: text in double quotes, a number, true, false, null, [ or {");
    this.take(SPACE);
  }

  private string(): void {
    if (!this.take(STRING)) this.fail("This text has no closing quote, or a character that must be escaped");
  }

  private member(): void {
    if (this.text[this.at] !== '"') this.fail("A name in double quotes is expected");
    this.string();
    if (!this.next(":")) this.fail("A colon is expected after the name");
    this.value();
  }

  private parts(end: string, part: () => void): void {
    if (this.next(end)) return;
    do part();
    while (this.next(","));
    if (!this.next(end)) this.fail(`A comma or ${end} is expected`);
  }
}

/** The first fault of a text, or null when it is JSON. */
export function faultOf(text: string): Fault | null {
  try {
    new Scanner(text).document();
    return null;
  } catch (fault) {
    return fault as Fault;
  }
}
