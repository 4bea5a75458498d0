import { checkItems } from "./check";
import { exampleOf, withItem } from "./example";
import { checkOf } from "./faults";
import { linesOf } from "./lines";
import { fieldsOf, type Schema, typeText } from "./schema";

// As pydantic writes it.
const DARTS: Schema = {
  $defs: {
    Board: {
      type: "object",
      title: "Board",
      properties: { name: { type: "string", minLength: 1 }, size: { type: "number", default: 0.45 } },
      required: ["name"],
    },
    Style: { enum: ["fast", "slow"], type: "string" },
  },
  type: "object",
  properties: {
    throws: { type: "integer", exclusiveMinimum: 0, description: "How many." },
    board: { $ref: "#/$defs/Board" },
    style: { $ref: "#/$defs/Style", default: "fast" },
    until: { anyOf: [{ type: "string", format: "date-time" }, { type: "null" }], default: null },
    rings: { type: "array", items: { $ref: "#/$defs/Board" }, maxItems: 2 },
    code: { type: "string", pattern: "(?P<name>x)" },
  },
  required: ["throws", "board"],
};
const GOOD = { throws: 3, board: { name: "b" } };
const messages = (item: unknown, schema: Schema = DARTS) => checkOf(schema)(item).map((f) => f.message);

test.each([
  [GOOD, []],
  [{ ...GOOD, until: null, style: "slow", rings: [{ name: "r" }], other: 1 }, []],
  [{ ...GOOD, throws: 0 }, ["throws must be above 0"]],
  [{ ...GOOD, throws: "3" }, ["throws must be integer > 0"]],
  [{ board: {} }, ["throws is missing", "board.name is missing"]],
  [{ ...GOOD, style: "odd" }, ['style must be "fast" | "slow"']],
  [{ ...GOOD, until: 5 }, ["until must be string | null"]],
  [
    { ...GOOD, rings: [{ name: "r" }, { name: 5 }] },
    ["rings[1].name must be string of 1 characters or more"],
  ],
  [{ ...GOOD, rings: [{ name: "" }] }, ["rings[0].name must be string of 1 characters or more"]],
  [5, ["The item must be object"]],
])("an item is refused for what is wrong in it: %j", (item, expected) => {
  expect(messages(item)).toEqual(expected);
});

test("formats and patterns that the worker judges otherwise are left to it", () => {
  expect(messages({ ...GOOD, until: "2026-01-31 12:00", code: "y" })).toEqual([]);
});

test("of alternatives the one of the right kind says what is wrong", () => {
  const schema: Schema = {
    $defs: DARTS.$defs ?? {},
    type: "object",
    properties: { board: { anyOf: [{ $ref: "#/$defs/Board" }, { type: "null" }] } },
  };
  expect(messages({ board: { name: 5 } }, schema)).toEqual([
    "board.name must be string of 1 characters or more",
  ]);
  expect(messages({ board: 5 }, schema)).toEqual(["board must be object | null"]);
});

test("a field that is not taken is named", () => {
  const schema: Schema = { type: "object", properties: { a: {} }, additionalProperties: false };
  expect(messages({ a: 1, "b/c ~d": 1 }, schema)).toEqual(["b/c ~d is no field of this handler's input"]);
});

test("a schema that cannot be read refuses nothing", () => {
  expect(messages({}, { $ref: "#/$defs/Gone" })).toEqual([]);
});

test("a fault is at the line of its value, in a list and in lines", () => {
  const list = `[\n  ${JSON.stringify(GOOD)},\n  {\n    "throws": 1,\n    "board": {"name": "x,]"},\n    "rings": [\n      {"name": "a"},\n      {"name": 1}\n    ]\n  },\n  {"board": {"name": "b"}}\n]`;
  expect(checkItems(list, DARTS)).toEqual([
    { line: 8, message: "rings[1].name must be string of 1 characters or more" },
    { line: 11, message: "throws is missing" },
  ]);
  const lines = `${JSON.stringify(GOOD)}\n\n{"throws": -1, "board": {"name": "b"}}\n`;
  expect(checkItems(lines, DARTS)).toEqual([{ line: 3, message: "throws must be above 0" }]);
  expect(checkItems("[1, ", DARTS)).toEqual([]);
});

test("lines are found past texts that look like structure, and by names with escapes", () => {
  const text = '[\n {"a": "\\"}]\\\\",\n "b\\u0041": [1,\n 2]}]';
  const paths = [["0", "a"], ["0", "bA", "1"], []];
  expect([...linesOf(text, paths).entries()]).toEqual([
    ["[]", 1],
    ['["0","a"]', 2],
    ['["0","bA","1"]', 4],
  ]);
});

test("fields are listed with type, default and what is nested", () => {
  const rows = fieldsOf(DARTS);
  expect(rows.map((row) => row.path)).toEqual([
    "throws",
    "board",
    "board.name",
    "board.size",
    "style",
    "until",
    "rings",
    "rings[].name",
    "rings[].size",
    "code",
  ]);
  expect(rows[0]).toEqual({
    path: "throws",
    type: "integer > 0",
    required: true,
    default: undefined,
    description: "How many.",
  });
  expect(rows[4]).toMatchObject({ type: '"fast" | "slow"', required: false, default: "fast" });
  expect(rows[6]?.type).toBe("list of object of up to 2 entries");
  expect(fieldsOf({ type: "integer" })).toEqual([]);
});

test("a schema that names itself ends", () => {
  const tree: Schema = {
    $defs: { T: { type: "object", properties: { next: { $ref: "#/$defs/T" } }, required: ["next"] } },
    $ref: "#/$defs/T",
  };
  expect(fieldsOf(tree).map((row) => row.path)).toEqual(["next", "next.next", "next.next.next"]);
  expect(JSON.stringify(exampleOf(tree)).length).toBeLessThan(200);
  const loop: Schema = { $defs: { A: { $ref: "#/$defs/A" } }, $ref: "#/$defs/A" };
  expect(typeText(loop, loop)).toBe("any JSON");
  expect(typeText({ type: "object", additionalProperties: { type: "number" } }, {})).toBe("object of number");
});

test.each<[Schema, unknown]>([
  [DARTS, { throws: 1, board: { name: "text" } }],
  [
    { type: "object", properties: { a: { type: "boolean" }, b: { const: 4 } } },
    { a: true, b: 4 },
  ],
  [{ type: "integer", minimum: 7 }, 7],
  [{ type: "integer", maximum: -3 }, -3],
  [{ type: "integer", exclusiveMaximum: 1 }, 0],
  [{ type: "number", exclusiveMinimum: 0, exclusiveMaximum: 1 }, 0.5],
  [{ type: "integer", minimum: 7, multipleOf: 5 }, 10],
  [{ type: "string", minLength: 6 }, "textxx"],
  [{ type: "string", format: "date" }, "2026-01-31"],
  [{ type: "array", items: { type: "integer" }, minItems: 2 }, [1, 1]],
  [{ type: "array", prefixItems: [{ type: "integer" }, { type: "string" }] }, [1, "text"]],
  [{ anyOf: [{ type: "null" }, { type: "integer" }] }, 1],
  [{ type: "object", examples: [{ a: 1 }] }, { a: 1 }],
  [{}, {}],
])("an example of %j fits", (schema, example) => {
  expect(exampleOf(schema)).toEqual(example);
  expect(checkOf(schema)(example)).toEqual([]);
});

test.each([
  ["", '[\n  {"a":1}\n]'],
  ["[]", '[\n  {"a":1}\n]'],
  ["[\n  1,\n  [2]\n]\n", '[\n  1,\n  [2],\n  {"a":1}\n]'],
  ["1\n[2]\n", '1\n[2]\n{"a":1}'],
  ["[1]\n[2]", '[1]\n[2]\n{"a":1}'],
  ["[1, ", null],
])("an item is added to %j", (text, expected) => {
  expect(withItem(text, { a: 1 })).toBe(expected);
});
