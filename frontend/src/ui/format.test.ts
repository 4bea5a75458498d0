import { age, bytes, dollars, duration, percent, rate } from "./format";

test.each([
  [0, "0 s"],
  [0.0005, "0 s"],
  [0.25, "250 ms"],
  [3.25, "3.3 s"],
  [7, "7 s"],
  [42, "42 s"],
  [59.7, "60 s"],
  [200, "3 m 20 s"],
  [3600, "1 h"],
  [7500, "2 h 5 m"],
  [273_600, "3 d 4 h"],
])("%d seconds are %s", (seconds, text) => expect(duration(seconds)).toBe(text));

test.each([
  [0, "0 %"],
  [0.0000001, "<0.1 %"],
  [0.034, "3.4 %"],
  [0.5, "50 %"],
  [0.9999999, ">99.9 %"],
  [1, "100 %"],
])("a share of %d is %s: done only when done", (share, text) => expect(percent(share)).toBe(text));

test("an age has one unit, and never more than has passed", () => {
  expect([age(59.9), age(119), age(7199), age(90_000)]).toEqual(["59 s", "1 m", "1 h", "1 d"]);
});

test("rates, bytes and dollars keep the digits that matter", () => {
  expect([rate(1234.5), rate(14.4), rate(0.25)]).toEqual(["1,235/s", "14/s", "0.3/s"]);
  expect([bytes(468), bytes(12_345), bytes(64_694_383)]).toEqual(["468 B", "12.3 KB", "64.7 MB"]);
  expect([dollars(0), dollars(1.5), dollars(0.00123)]).toEqual(["$0.00", "$1.50", "$0.0012"]);
});
