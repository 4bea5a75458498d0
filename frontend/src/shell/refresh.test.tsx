import { act, renderHook } from "@testing-library/react";
import { chooseSeconds, useHold, useInterval } from "./refresh";

const interval = (live = true, least?: number) => renderHook(() => useInterval(live, least));

test("what cannot change is not read again", () => {
  expect(interval(false).result.current).toBe(false);
});

test("the choice is followed, off included", () => {
  const { result } = interval();
  expect(result.current).toBe(5000);
  act(() => chooseSeconds(30));
  expect(result.current).toBe(30_000);
  act(() => chooseSeconds(0));
  expect(result.current).toBe(false);
});

test("what is dear to read is read less often", () => {
  act(() => chooseSeconds(2));
  expect(interval(true, 5).result.current).toBe(5000);
});

test("it rests while something is held, and in a hidden tab", () => {
  const { result } = interval();
  const hold = renderHook(() => useHold(true));
  expect(result.current).toBe(false);
  hold.unmount();
  expect(result.current).toBe(5000);
  const hidden = vi.spyOn(document, "hidden", "get").mockReturnValue(true);
  act(() => void document.dispatchEvent(new Event("visibilitychange")));
  expect(result.current).toBe(false);
  hidden.mockReturnValue(false);
  act(() => void document.dispatchEvent(new Event("visibilitychange")));
  expect(result.current).toBe(5000);
});

test("it rests while text is selected", () => {
  const { result } = interval();
  const selection = vi.spyOn(document, "getSelection").mockReturnValue({ toString: () => "x" } as Selection);
  act(() => void document.dispatchEvent(new Event("selectionchange")));
  expect(result.current).toBe(false);
  selection.mockReturnValue({ toString: () => "" } as Selection);
  act(() => void document.dispatchEvent(new Event("selectionchange")));
  expect(result.current).toBe(5000);
});
