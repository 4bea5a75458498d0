/** An item that a schema takes, to begin with. */
import { readItems } from "../json";
import { resolved, type Schema } from "./schema";

const DEPTH_MAX = 6;

const OF_FORMAT: Record<string, string> = {
  date: "2026-01-31",
  "date-time": "2026-01-31T12:00:00Z",
  time: "12:00:00Z",
  duration: "PT1M",
  uuid: "00000000-0000-4000-8000-000000000000",
  email: "someone@example.com",
  uri: "https://example.com/",
};

function textOf({ format, minLength = 0, maxLength = 80 }: Schema): string {
  return ((format && OF_FORMAT[format]) || "text").padEnd(minLength, "x").slice(0, maxLength);
}

function numberOf(schema: Schema): number {
  const whole = schema.type === "integer";
  const { minimum, exclusiveMinimum, multipleOf } = schema;
  const least = minimum ?? (exclusiveMinimum === undefined ? undefined : exclusiveMinimum + 1);
  const value = Math.max(1, least ?? 1);
  const most = schema.maximum ?? (schema.exclusiveMaximum ?? Infinity) - (whole ? 1 : 0);
  if (multipleOf) return Math.ceil(value / multipleOf) * multipleOf;
  if (value < most || (value === most && schema.exclusiveMaximum === undefined) || whole)
    return Math.min(value, most);
  // Between two bounds that lie close together.
  return ((minimum ?? exclusiveMinimum ?? most - 2) + most) / 2;
}

function objectOf(schema: Schema, root: Schema, depth: number): Record<string, unknown> {
  const all = Object.keys(schema.properties ?? {});
  const chosen = schema.required?.length ? schema.required : all;
  return Object.fromEntries(
    chosen.map((name) => [name, exampleOf(schema.properties?.[name] ?? {}, root, depth + 1)]),
  );
}

function listOf(schema: Schema, root: Schema, depth: number): unknown[] {
  if (schema.prefixItems) return schema.prefixItems.map((entry) => exampleOf(entry, root, depth + 1));
  const entry = typeof schema.items === "object" ? schema.items : {};
  return Array.from({ length: Math.max(1, schema.minItems ?? 1) }, () => exampleOf(entry, root, depth + 1));
}

/** A value that fits: an example or a default where the schema names one, else the simplest of its type. */
export function exampleOf(schema: Schema, root: Schema = schema, depth = 0): unknown {
  const found = resolved(schema, root);
  const named = [found.examples?.[0], found.default, found.const, found.enum?.[0]];
  const given = named.find((value) => value !== undefined);
  if (given !== undefined || depth > DEPTH_MAX) return given ?? null;
  const among = found.anyOf ?? found.oneOf ?? found.allOf;
  if (among) {
    const branch = among.find((one) => resolved(one, root).type !== "null") ?? {};
    return exampleOf({ ...branch }, root, depth + 1);
  }
  const type = Array.isArray(found.type) ? found.type[0] : found.type;
  if (type === "object" || found.properties) return objectOf(found, root, depth);
  if (type === "array") return listOf(found, root, depth);
  if (type === "integer" || type === "number") return numberOf(found);
  if (type === "string") return textOf(found);
  return type === "boolean" ? true : type === "null" ? null : {};
}

/** The text of items with one more at its end; null where the text is no items yet. */
export function withItem(text: string, item: unknown): string | null {
  const line = JSON.stringify(item);
  if (!text.trim()) return `[\n  ${line}\n]`;
  const end = text.trimEnd();
  if (readItems(text).errors.length && !/^\[\s*\]$/.test(end.trimStart())) return null;
  if (!isList(text)) return `${end}\n${line}`;
  const before = end.slice(0, -1).trimEnd();
  return `${before}${before.endsWith("[") ? "" : ","}\n  ${line}\n]`;
}

/** Whether a text of items is one JSON list, not a value a line. */
export function isList(text: string): boolean {
  try {
    return Array.isArray(JSON.parse(text)) && text.trimStart().startsWith("[");
  } catch {
    return false;
  }
}
