/** At which lines of a JSON text values are. */

const TOKEN = /"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+|\n/g;

interface Open {
  list: boolean;
  /** The index or the name of the value that comes next. */
  key: string;
}

/** Walks over the values of a text, from its first line on; `see` is told the keys that lead to each. */
class Walk {
  private readonly open: Open[] = [];
  private naming = false;
  line = 1;

  constructor(private readonly see: (keys: string[], line: number) => void) {}

  take(token: string): void {
    const inside = this.open.at(-1);
    if (token === "\n") this.line += 1;
    else if (token === "]" || token === "}") this.close();
    else if (token === ",") this.next(inside);
    else if (token === ":") this.naming = false;
    else if (this.naming && inside) inside.key = JSON.parse(token) as string;
    else this.value(token);
  }

  private value(token: string): void {
    this.see(
      this.open.map(({ key }) => key),
      this.line,
    );
    if (token === "[" || token === "{") this.open.push({ list: token === "[", key: "0" });
    this.naming = token === "{";
  }

  private next(inside: Open | undefined): void {
    if (inside?.list) inside.key = String(Number(inside.key) + 1);
    this.naming = inside?.list === false;
  }

  private close(): void {
    this.open.pop();
    this.naming = false;
  }
}

/** The line of the value at each path of keys, by the path as JSON; the text must be JSON. */
export function linesOf(text: string, paths: readonly string[][]): Map<string, number> {
  const wanted = new Set(paths.map((path) => JSON.stringify(path)));
  const longest = Math.max(0, ...paths.map((path) => path.length));
  const found = new Map<string, number>();
  const walk = new Walk((keys, line) => {
    if (keys.length > longest) return;
    const path = JSON.stringify(keys);
    if (wanted.has(path)) found.set(path, line);
  });
  for (const [token] of text.matchAll(TOKEN)) walk.take(token);
  return found;
}
