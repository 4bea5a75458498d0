/** JSON schemas as pydantic writes them: parts found, and said in words. */

export interface Schema {
  $ref?: string;
  $defs?: Record<string, Schema>;
  title?: string;
  description?: string;
  default?: unknown;
  examples?: unknown[];
  type?: string | string[];
  format?: string;
  const?: unknown;
  enum?: unknown[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  items?: boolean | Schema;
  prefixItems?: Schema[];
  minimum?: number;
  exclusiveMinimum?: number;
  maximum?: number;
  exclusiveMaximum?: number;
  multipleOf?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  pattern?: string;
}

const VALUES_NAMED = 8;
const DEPTH_MAX = 8;

/** The schema itself, where this one only names it; an unknown name is any JSON. */
export function resolved(schema: Schema, root: Schema, depth = 0): Schema {
  if (!schema.$ref || depth > DEPTH_MAX) return schema;
  const name = schema.$ref.replace("#/$defs/", "");
  const { $ref, ...beside } = schema;
  return { ...resolved(root.$defs?.[name] ?? {}, root, depth + 1), ...beside };
}

/** The alternatives of a schema; one without is its own. */
export const branches = (schema: Schema): Schema[] => schema.anyOf ?? schema.oneOf ?? [schema];

const asList = (values: unknown[]) => {
  const named = values.slice(0, VALUES_NAMED).map((value) => JSON.stringify(value));
  return `${named.join(" | ")}${values.length > VALUES_NAMED ? " | …" : ""}`;
};

/** What bounds a number, a text or a list: " > 0, ≤ 9", " of 1 to 20 characters". */
function bounds(schema: Schema): string {
  const { minimum, exclusiveMinimum, maximum, exclusiveMaximum, multipleOf } = schema;
  const numbers = [
    minimum !== undefined && `≥ ${minimum}`,
    exclusiveMinimum !== undefined && `> ${exclusiveMinimum}`,
    maximum !== undefined && `≤ ${maximum}`,
    exclusiveMaximum !== undefined && `< ${exclusiveMaximum}`,
    multipleOf !== undefined && `a multiple of ${multipleOf}`,
    range(schema.minLength, schema.maxLength, "characters"),
    range(schema.minItems, schema.maxItems, "entries"),
  ].filter(Boolean);
  return numbers.length ? ` ${numbers.join(", ")}` : "";
}

function range(least: number | undefined, most: number | undefined, what: string): string | false {
  if (least === undefined && most === undefined) return false;
  if (most === undefined) return `of ${least} ${what} or more`;
  return least ? `of ${least} to ${most} ${what}` : `of up to ${most} ${what}`;
}

function named(schema: Schema, root: Schema, depth: number): string {
  if (schema.type === "array") {
    const entries = typeof schema.items === "object" ? typeText(schema.items, root, depth + 1) : "any JSON";
    return schema.prefixItems ? "list" : `list of ${entries}`;
  }
  if (schema.type === "object" && typeof schema.additionalProperties === "object")
    return `object of ${typeText(schema.additionalProperties, root, depth + 1)}`;
  const type = Array.isArray(schema.type) ? schema.type.join(" | ") : (schema.type ?? "any JSON");
  return schema.format ? `${type} (${schema.format})` : type;
}

/** What a value must be, in a few words. */
export function typeText(schema: Schema, root: Schema, depth = 0): string {
  const found = resolved(schema, root);
  if (depth > DEPTH_MAX) return "any JSON";
  if (found.const !== undefined) return JSON.stringify(found.const);
  if (found.enum) return asList(found.enum);
  const among = found.anyOf ?? found.oneOf;
  if (among)
    return [...new Set(among.map((branch) => typeText(branch, root, depth + 1)))].join(" | ") + bounds(found);
  const [only, ...more] = found.allOf ?? [];
  if (only && more.length === 0) return typeText(only, root, depth + 1);
  return named(found, root, depth) + bounds(found);
}

export interface FieldRow {
  path: string;
  type: string;
  required: boolean;
  default: unknown;
  description: string | undefined;
}

const FIELDS_MAX = 100;
const NESTED_MAX = 3;

/** The object that a field holds, itself or as the entries of a list, with what its path ends in. */
function inner(schema: Schema, root: Schema): [Schema, string] | null {
  for (const branch of branches(resolved(schema, root))) {
    const found = resolved(branch, root);
    if (found.properties) return [found, ""];
    if (typeof found.items === "object") {
      const entry = resolved(found.items, root);
      if (entry.properties) return [entry, "[]"];
    }
  }
  return null;
}

function rowsOf(schema: Schema, root: Schema, path: string, depth: number): FieldRow[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, declared]) => {
    const field = resolved(declared, root);
    const row = {
      path: path + name,
      type: typeText(declared, root),
      required: schema.required?.includes(name) ?? false,
      default: field.default,
      description: field.description,
    };
    const [nested, ending] = inner(declared, root) ?? [];
    if (!nested || depth === NESTED_MAX) return [row];
    return [row, ...rowsOf(nested, root, `${row.path}${ending}.`, depth + 1)];
  });
}

/** The fields of an item, nested ones below theirs; none where an item is no object. */
export function fieldsOf(root: Schema): FieldRow[] {
  const [found, ending] = inner(root, root) ?? [];
  return found ? rowsOf(found, root, ending ? `${ending}.` : "", 1).slice(0, FIELDS_MAX) : [];
}
