import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { PageAction } from "./requests.ts";
import type { PageState } from "./page_state.ts";
import type { WatchLink } from "./watch_client.ts";

/** The parts of the page, in the order of their keys 1 to 5. */
export const TABS = ["matrix", "calls", "measured", "logs", "accounts"] as const;
export type Tab = (typeof TABS)[number];

/** What every part of the page is given. */
interface PageContext {
  state: PageState;
  link: WatchLink;
  /** Asks if something is lost, does it, and says what came of it. */
  act(action: PageAction): void;
  open(tab: Tab): void;
  showLog(name: string | undefined): void;
  /** Whether single keys do something. */
  hasKeys: boolean;
}

const Page = createContext<PageContext | undefined>(undefined);

export const PageProvider = Page.Provider;

export function usePage(): PageContext {
  const page = useContext(Page);
  if (!page) throw new Error("a part of the page stands outside of it");
  return page;
}
