/** Puts a file into the data bucket, and reads its beginning for a preview. */
import { Problem } from "@/api/problem";
import { beginUpload } from "@/api/submit";

const HASHED_UP_TO_BYTES = 64 * 2 ** 20;
const PREVIEWED_BYTES = 64 * 1024;
const PREVIEWED_LINES = 8;

/** A name that the API takes: letters, digits, dots, dashes. */
export function safeName(name: string): string {
  const plain = name.replaceAll(/[^A-Za-z0-9._-]/g, "_").replace(/^[^A-Za-z0-9]+/, "");
  return plain.slice(-200) || "file.jsonl";
}

async function sha256(file: Blob): Promise<string | undefined> {
  // Hashing needs the whole file in memory, and a page that is served securely.
  if (file.size > HASHED_UP_TO_BYTES || !globalThis.crypto.subtle) return undefined;
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function send(url: string, headers: Record<string, string>, file: Blob, onShare: (share: number) => void) {
  return new Promise<void>((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", url);
    for (const [name, value] of Object.entries(headers)) {
      // A page may not set the length; the browser does, and it is the file's.
      if (name.toLowerCase() !== "content-length") request.setRequestHeader(name, value);
    }
    request.upload.onprogress = (event) => onShare(event.loaded / Math.max(1, event.total));
    request.onload = () =>
      request.status < 300
        ? resolve()
        : reject(
            new Problem(request.status, "The bucket refused the file", `It answered ${request.status}.`),
          );
    request.onerror = () =>
      reject(new Problem(0, "The file could not be uploaded", "The bucket cannot be reached."));
    request.send(file);
  });
}

/** Upload a file; return its key. Throws Problem. */
export async function upload(file: File, onShare: (share: number) => void): Promise<string> {
  const where = await beginUpload(safeName(file.name), file.size, await sha256(file));
  // Without a type of its own the request is signed for, a browser would add one.
  await send(where.url, where.headers, file.slice(0, file.size, ""), onShare);
  return where.key;
}

/** The first lines of a file; a compressed one is shown as far as the browser can. */
export async function preview(file: File): Promise<string[]> {
  let stream: ReadableStream<Uint8Array> = file.stream() as ReadableStream<Uint8Array>;
  if (file.name.endsWith(".gz")) {
    stream = stream.pipeThrough(
      new DecompressionStream("gzip") as unknown as ReadableWritablePair<Uint8Array, Uint8Array>,
    );
  }
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let text = "";
  while (text.length < PREVIEWED_BYTES) {
    const { done, value } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
    if (text.split("\n").length > PREVIEWED_LINES) break;
  }
  await reader.cancel();
  return text.split("\n").slice(0, PREVIEWED_LINES);
}
