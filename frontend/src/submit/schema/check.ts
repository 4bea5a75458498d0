/** Items held against their handler's schema, with the lines that are at fault. */
import { type LineError, readItems } from "../json";
import { isList } from "./example";
import { checkOf, type Fault } from "./faults";
import { linesOf } from "./lines";
import type { Schema } from "./schema";

/** As many items are checked; all of a larger number would hold up typing. */
export const CHECKED_MAX = 1_000;
const FAULTS_MAX = 20;

interface ItemFault extends Fault {
  index: number;
}

function find(items: unknown[], schema: Schema): ItemFault[] {
  const check = checkOf(schema);
  const faults: ItemFault[] = [];
  for (const [index, item] of items.slice(0, CHECKED_MAX).entries()) {
    faults.push(...check(item).map((fault) => ({ ...fault, index })));
    if (faults.length >= FAULTS_MAX) break;
  }
  return faults.slice(0, FAULTS_MAX);
}

/** The line of each item where there is one a line. */
const itemLines = (text: string) =>
  text.split("\n").flatMap((line, number) => (line.trim() ? [number + 1] : []));

/** What the schema refuses of a text of items; nothing while the text itself is wrong. */
export function checkItems(text: string, schema: Schema): LineError[] {
  const { value } = readItems(text);
  const faults = value ? find(value, schema) : [];
  if (faults.length === 0) return [];
  if (!isList(text)) {
    const lines = itemLines(text);
    return faults.map(({ index, message }) => ({ line: lines[index] ?? 1, message }));
  }
  const paths = faults.map(({ index, path }) => [String(index), ...path]);
  const lines = linesOf(text, paths);
  return faults.map(({ message }, n) => ({ line: lines.get(JSON.stringify(paths[n])) ?? 1, message }));
}
