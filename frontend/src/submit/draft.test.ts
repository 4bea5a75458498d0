import { jobOf } from "@/test/values";
import { draftOf, EMPTY, readDraft, readTags } from "./draft";
import { readItems } from "./json";
import { combinations } from "./matrix";
import { faultOf } from "./scan";

const draft = (part = {}) => ({ ...EMPTY, name: "n", handler: "h", ...part });

test("what is left as it is, is left to the API", () => {
  expect(readDraft(draft({ source: "count", count: "7" }))).toEqual({
    body: { name: "n", handler: "h", tasks: { count: 7 }, timeout_seconds: 900 },
    errors: {},
  });
});

test.each([
  ["name", { name: "" }],
  ["handler", { handler: "Upper" }],
  ["count", { source: "count", count: "" }],
  ["count", { source: "count", count: "1000001" }],
  ["count", { source: "count", count: "1.5" }],
  ["matrix", { source: "matrix", matrix: '{"a": "5..1"}' }],
  ["matrix", { source: "matrix", matrix: "[1]" }],
  ["exclude", { source: "matrix", exclude: "{}" }],
  ["manifest", { source: "file" }],
  ["parameters", { parameters: "{" }],
  ["timeout", { timeout: "0" }],
  ["deadline", { deadline: "0.5" }],
  ["tolerated", { tolerated: "-1" }],
  ["priority", { priority: "10" }],
  ["tags", { tags: "no colon" }],
])("a wrong %s is named", (field, part) => {
  expect(Object.keys(readDraft(draft(part)).errors)).toEqual([field]);
});

test("a priority is sent where it is not the usual one, and cloned", () => {
  const of = (priority: string) => readDraft(draft({ priority })).body.priority;
  expect([of("5"), of(""), of("0"), of("9")]).toEqual([undefined, undefined, 0, 9]);
  expect(draftOf(jobOf({ priority: 8 })).priority).toBe("8");
});

test("tolerance is a number, a share, and what happens above it", () => {
  const of = (part: object) => readDraft(draft(part)).body.tolerated_failures;
  expect(of({ tolerated: "5" })).toEqual({ count: 5 });
  expect(of({ tolerated: "2.5%" })).toEqual({ percent: 2.5 });
  expect(of({ tolerated: "0", stopWhenExceeded: true })).toEqual({ count: 0, when_exceeded: "stop" });
  expect(of({ tolerated: "0" })).toBeUndefined();
});

test("items are a list, or one value a line", () => {
  expect(readItems("[1, 2]").value).toEqual([1, 2]);
  expect(readItems('{"a": 1}\n\n{"a": 2}').value).toEqual([{ a: 1 }, { a: 2 }]);
  expect(readItems("[1]\n[2]").value).toEqual([[1], [2]]);
});

test("each bad line is named", () => {
  expect(readItems('{"a": 1}\n{"a"\n3\nx').errors.map((error) => error.line)).toEqual([2, 4]);
  expect(readItems("[\n1,\n2,,\n3]").errors[0]?.line).toBe(3);
  expect(readItems("  ").errors[0]?.line).toBe(1);
  expect(readItems("[]").errors[0]?.message).toBe("The list is empty");
});

test("combinations are the product of lists and ranges", () => {
  expect(combinations({ lr: [0.1, 0.01], seed: "1..1000" })).toBe(2000);
  expect(combinations({ lr: [] })).toEqual({ wrong: "lr" });
});

test("a tag's value may hold a colon", () => {
  expect(readTags("url:http://x, team=data").value).toEqual({ url: "http://x", team: "data" });
});

test.each(['{"a": [1, {"b": "c\\n"}], "d": -1.5e3}', "null", " [true, false] ", '""'])(
  "%s is JSON",
  (text) => {
    expect(faultOf(text)).toBeNull();
  },
);

test.each([
  ["", 0],
  ["{", 1],
  ["[1,]", 3],
  ['{"a" 1}', 5],
  ["{a: 1}", 1],
  ['"a', 0],
  ["01", 1],
  ["[1 2]", 3],
  ["[1] 2", 4],
])("%s stops being JSON at its fault", (text, position) => {
  expect(() => JSON.parse(text)).toThrow();
  expect(faultOf(text)?.position).toBe(position);
});
