import { useEffect, useState } from "preact/hooks";
import { type Tab, TABS } from "./page.ts";

/** The part of the page in the address, so that it can be kept as a bookmark. */
export function useTab(): [Tab, (tab: Tab) => void] {
  const read = () => TABS.find((tab) => location.hash === `#${tab}`) ?? "matrix";
  const [tab, setTab] = useState<Tab>(read);
  useEffect(() => {
    const onHash = () => setTab(read());
    addEventListener("hashchange", onHash);
    return () => removeEventListener("hashchange", onHash);
  }, []);
  return [tab, (next) => {
    location.hash = next;
    setTab(next);
  }];
}

interface KeysOptions {
  hasKeys: boolean;
  open: (tab: Tab) => void;
  help: () => void;
}

/** Single keys: 1 to 5 for the parts, "/" for the filter, "?" for help. None while somebody writes. */
export function useKeys({ hasKeys, open, help }: KeysOptions): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (!hasKeys || hasModifier(event) || isWriting(event.target)) return;
      const tab = TABS[Number(event.key) - 1];
      if (tab) open(tab);
      else if (event.key === "?") help();
      else if (event.key === "/") document.querySelector<HTMLElement>("[data-filter]")?.focus();
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [hasKeys]);
}

export function hasModifier({ ctrlKey, altKey, metaKey }: KeyboardEvent): boolean {
  return ctrlKey || altKey || metaKey;
}

function isWriting(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest("input, select, textarea, dialog") !== null;
}
