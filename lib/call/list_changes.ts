import { LIST_FLAGS } from "../wire/list_flags.ts";
import type { Caller } from "./call.ts";
import type { ListKind } from "./server.ts";

/** Decides whether a client is notified that its lists have changed. */
export interface ListChangeFilter {
  /** Lists of `kinds` may have changed for `caller`; `notify` sends the notification. */
  changed(caller: Caller, kinds: readonly ListKind[], notify: () => void): void;
}

const NO_LISTS: readonly ListKind[] = [];

const CHANGED_LISTS: ReadonlyMap<string, readonly ListKind[]> = new Map(
  LIST_FLAGS.map(({ capability, method }) => [
    method,
    capability === "resources" ? ["resources", "templates"] : [capability],
  ]),
);

/** The lists a `list_changed` notification is about; none for any other. */
export function changedLists(method: string): readonly ListKind[] {
  return CHANGED_LISTS.get(method) ?? NO_LISTS;
}

/** The notification that the list of `kind` has changed. */
export function listChangedMethod(kind: ListKind): string {
  const capability = kind === "templates" ? "resources" : kind;
  return LIST_FLAGS.find((list) => list.capability === capability)!.method;
}

/** Notifies each session once for all lists of a method: of resources and their templates there is one. */
export function notifyCallers(outdated: Iterable<[ListKind, Caller]>): void {
  const methods = new Map<Caller, Set<string>>();
  for (const [kind, caller] of outdated) {
    const told = methods.get(caller) ?? new Set();
    methods.set(caller, told.add(listChangedMethod(kind)));
  }
  for (const [caller, told] of methods) for (const method of told) caller.notify(method);
}
