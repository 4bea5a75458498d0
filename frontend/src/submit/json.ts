/** JSON as a person writes it, with errors that name a line. */
import { faultOf } from "./scan";

export interface LineError {
  line: number;
  message: string;
}

export type Read<T> = { value: T; errors: [] } | { value: null; errors: LineError[] };

const bad = <T>(...errors: LineError[]): Read<T> => ({ value: null, errors });

/** Parse a text; the error names its line. */
export function readJson(text: string): Read<unknown> {
  try {
    return { value: JSON.parse(text) as unknown, errors: [] };
  } catch {
    const { position, message } = faultOf(text) ?? { position: 0, message: "This is no JSON" };
    return bad({ line: text.slice(0, position).split("\n").length, message });
  }
}

const ERRORS_SHOWN = 20;

function readLines(text: string): Read<unknown[]> {
  const items: unknown[] = [];
  const errors: LineError[] = [];
  text.split("\n").forEach((line, index) => {
    if (!line.trim() || errors.length >= ERRORS_SHOWN) return;
    const read = readJson(line);
    if (read.errors.length) errors.push({ line: index + 1, message: read.errors[0]?.message ?? "" });
    else items.push(read.value);
  });
  if (errors.length) return bad(...errors);
  return { value: items, errors: [] };
}

/** Items from a JSON list, or from one JSON value a line. */
export function readItems(text: string): Read<unknown[]> {
  if (!text.trim()) return bad({ line: 1, message: "There is no item yet" });
  if (!text.trimStart().startsWith("[")) return readLines(text);
  const read = readJson(text);
  if (read.errors.length) {
    const lines = readLines(text);
    return lines.errors.length ? bad(...read.errors) : lines;
  }
  if (Array.isArray(read.value) && read.value.length === 0)
    return bad({ line: 1, message: "The list is empty" });
  return read as Read<unknown[]>;
}

/** An object, such as parameters or axes; an empty text is none. */
export function readObject(text: string): Read<Record<string, unknown> | undefined> {
  if (!text.trim()) return { value: undefined, errors: [] };
  const read = readJson(text);
  if (read.errors.length) return bad(...read.errors);
  if (typeof read.value !== "object" || read.value === null || Array.isArray(read.value)) {
    return bad({ line: 1, message: 'It must be an object, {"name": …}' });
  }
  return read as Read<Record<string, unknown>>;
}

/** Any value; an empty text is none. */
export function readValue(text: string): Read<unknown> {
  return text.trim() ? readJson(text) : { value: undefined, errors: [] };
}

/** A list of objects; an empty text is none. */
export function readList(text: string): Read<unknown[] | undefined> {
  if (!text.trim()) return { value: undefined, errors: [] };
  const read = readJson(text);
  if (read.errors.length) return bad(...read.errors);
  return Array.isArray(read.value)
    ? (read as Read<unknown[]>)
    : bad({ line: 1, message: "It must be a list, […]" });
}
