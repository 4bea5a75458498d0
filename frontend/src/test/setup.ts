/** What jsdom lacks, and a server that answers in place of the API. */
import "@testing-library/jest-dom/vitest";
import { cleanup, configure } from "@testing-library/react";
import { forgetAnswers } from "@/api/etag";
import { server } from "./server";

class NoResizes {
  observe() {}
  unobserve() {}
  disconnect() {}
}

globalThis.ResizeObserver = NoResizes as unknown as typeof ResizeObserver;
window.matchMedia ??= ((query: string) => ({
  matches: false,
  media: query,
  addEventListener() {},
  removeEventListener() {},
})) as unknown as typeof window.matchMedia;
window.scrollTo = () => {};
HTMLCanvasElement.prototype.getContext = () => null;
// Of Node's own kind: what jsdom makes is no buffer to Node's crypto.
Blob.prototype.arrayBuffer = function arrayBuffer() {
  return new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => {
      const bytes = Buffer.from(reader.result as string, "latin1");
      resolve(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer);
    };
    reader.readAsBinaryString(this);
  });
};
Blob.prototype.stream ??= function stream() {
  return new ReadableStream({
    start: async (into) => {
      into.enqueue(new Uint8Array(await this.arrayBuffer()));
      into.close();
    },
  });
};
// jsdom has dialogs that cannot be opened.
HTMLDialogElement.prototype.showModal = function showModal() {
  this.open = true;
};
HTMLDialogElement.prototype.close = function close() {
  this.open = false;
  this.dispatchEvent(new Event("close"));
};

// Bounds on waits that end as soon as what they are for is there: a busy machine takes its time.
configure({ asyncUtilTimeout: 10_000 });

beforeAll(() => server.listen({ onUnhandledRequest: "error" }));
afterEach(() => {
  cleanup();
  server.resetHandlers();
  sessionStorage.clear();
  localStorage.clear();
  forgetAnswers();
});
afterAll(() => server.close());
