/** The API key of this tab: it goes with the tab, and never into an address. */
import { useSyncExternalStore } from "react";

const KEY = "api-key";
const listeners = new Set<() => void>();

/** The key, or null when nobody is signed in. */
export function apiKey(): string | null {
  return sessionStorage.getItem(KEY);
}

/** Keep a key that the API has accepted. */
export function signIn(key: string): void {
  sessionStorage.setItem(KEY, key);
  for (const listener of listeners) listener();
}

/** Forget the key. */
export function signOut(): void {
  sessionStorage.removeItem(KEY);
  for (const listener of listeners) listener();
}

/** What may be shown of a key: its public id, without the secret. */
export function keyName(key: string): string {
  const [, id] = key.split("_");
  return id ? `…${id.slice(-6)}` : "key";
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The key, followed. */
export function useApiKey(): string | null {
  return useSyncExternalStore(subscribe, apiKey);
}
