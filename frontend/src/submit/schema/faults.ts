/** What of an item a handler would refuse, in words. The validator interprets: the content policy allows no eval. */
import { type OutputUnit, Validator } from "@cfworker/json-schema";
import { resolved, type Schema, typeText } from "./schema";

export interface Fault {
  /** Keys that lead to the value at fault, from the item on. */
  path: string[];
  message: string;
}

export type Check = (item: unknown) => Fault[];

/** These only say that something below them is wrong. */
const WRAPPERS = new Set(["properties", "items", "prefixItems", "$ref", "allOf", "additionalProperties"]);
const AMONG = new Set(["anyOf", "oneOf"]);
const VALUES = new Set(["default", "const", "enum", "examples"]);

const compiles = (pattern: unknown) => {
  try {
    return Boolean(new RegExp(String(pattern), "u"));
  } catch {
    return false;
  }
};

/**
 * The schema without what this validator would judge otherwise than the worker: formats, of which pydantic takes
 * more, and patterns that only other languages know.
 */
function comparable(part: unknown, key = ""): unknown {
  if (VALUES.has(key) || typeof part !== "object" || part === null) return part;
  if (Array.isArray(part)) return part.map((entry) => comparable(entry));
  const kept = Object.entries(part).filter(
    ([name, value]) =>
      typeof value !== "string" || (name !== "format" && (name !== "pattern" || compiles(value))),
  );
  return Object.fromEntries(kept.map(([name, value]) => [name, comparable(value, name)]));
}

const segments = (location: string) =>
  location
    .split("/")
    .slice(1)
    .map((part) => decodeURI(part).replaceAll("~1", "/").replaceAll("~0", "~"));

const valueAt = (item: unknown, path: string[]) =>
  path.reduce<unknown>((value, key) => (value as Record<string, unknown>)?.[key], item);

/** The schema that holds the keyword at a location; "$ref" in it stands for what is named there. */
function holder(location: string, root: Schema): Schema {
  let at: unknown = root;
  for (const key of segments(location).slice(0, -1))
    at = key === "$ref" ? resolved(at as Schema, root) : (at as Record<string, unknown> | undefined)?.[key];
  return (at ?? {}) as Schema;
}

/** Of the alternatives that failed, what is wrong in the only one that is of the right kind; else nothing. */
function likely(error: OutputUnit, below: OutputUnit[]): OutputUnit[] {
  const kinds = new Map<string, OutputUnit[]>();
  for (const one of below) {
    const branch = segments(one.keywordLocation.slice(error.keywordLocation.length))[0] ?? "";
    kinds.set(branch, [...(kinds.get(branch) ?? []), one]);
  }
  const near = [...kinds.values()].filter(
    (errors) =>
      !errors.some(
        ({ instanceLocation, keyword }) =>
          instanceLocation === error.instanceLocation && ["type", "const", "enum"].includes(keyword),
      ),
  );
  return near.length === 1 ? (near[0] ?? []) : [];
}

/** Those errors that say what is wrong, not where they were found. */
function telling(errors: OutputUnit[]): OutputUnit[] {
  const kept: OutputUnit[] = [];
  for (let n = 0; n < errors.length; n += 1) {
    const error = errors[n] as OutputUnit;
    if (!AMONG.has(error.keyword)) {
      if (!WRAPPERS.has(error.keyword)) kept.push(error);
      continue;
    }
    const start = n + 1;
    while (errors[n + 1]?.keywordLocation.startsWith(`${error.keywordLocation}/`)) n += 1;
    const inside = telling(likely(error, errors.slice(start, n + 1)));
    kept.push(...(inside.length ? inside : [error]));
  }
  return kept;
}

function said(error: OutputUnit, schema: Schema, root: Schema): string {
  switch (error.keyword) {
    case "minimum":
      return `must be ${schema.minimum} or more`;
    case "exclusiveMinimum":
      return `must be above ${schema.exclusiveMinimum}`;
    case "maximum":
      return `must be ${schema.maximum} or less`;
    case "exclusiveMaximum":
      return `must be below ${schema.exclusiveMaximum}`;
    case "minLength":
    case "maxLength":
    case "minItems":
    case "maxItems":
    case "multipleOf":
    case "type":
    case "const":
    case "enum":
    case "anyOf":
    case "oneOf":
      return `must be ${typeText(schema, root)}`;
    case "pattern":
      return `must match ${schema.pattern}`;
    case "false":
      return "is no field of this handler's input";
    default:
      return error.error;
  }
}

const nameOf = (path: string[]) =>
  path.reduce((name, key) => (/^\d+$/.test(key) ? `${name}[${key}]` : name ? `${name}.${key}` : key), "") ||
  "The item";

function faultsOf(error: OutputUnit, item: unknown, root: Schema): Fault[] {
  const path = segments(error.instanceLocation);
  const schema = holder(error.keywordLocation, root);
  if (error.keyword !== "required")
    return [{ path, message: `${nameOf(path)} ${said(error, schema, root)}` }];
  const present = Object.keys((valueAt(item, path) ?? {}) as object);
  return (schema.required ?? [])
    .filter((name) => !present.includes(name))
    .map((name) => ({ path, message: `${nameOf([...path, name])} is missing` }));
}

/** A check of items by a schema; a schema that the validator cannot read refuses nothing. */
export function checkOf(schema: Schema): Check {
  const root = comparable(schema) as Schema;
  const validator = new Validator(root as object, "2020-12", false);
  return (item) => {
    try {
      return telling(validator.validate(item).errors).flatMap((error) => faultsOf(error, item, root));
    } catch {
      return [];
    }
  };
}
