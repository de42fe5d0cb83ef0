import { pathOfUri } from "../base/file_uri.ts";
import type { Caller, Root } from "../call/call.ts";
import { isSameSession, ownerKey, principalOf } from "../call/owner.ts";
import { repositoryOf } from "./sharing/repository.ts";
import { realPathOf } from "./sharing/working_directory.ts";
import type { SlotRequest } from "./slot_request.ts";

/** The windows whose calls a process takes. */
export type Audience =
  | { of: "everybody" }
  /** `place`: see {@linkcode placeKey}. */
  | { of: "directory"; place: string }
  /** `place`: of the directory that stands for a repository; the windows in all its working trees. */
  | { of: "repository"; place: string }
  /** The clients of one window of an editor: its own and those of its sub-agents. */
  | { of: "window"; key: string }
  | { of: "session"; caller: Caller };

/** The windows whose calls the process of `request` takes. */
export function audienceOf({ scope, listScope, session }: SlotRequest): Audience {
  const { caller, workspace, isRepository } = session;
  if (scope === "window" && caller.window) return { of: "window", key: caller.window.key };
  if (scope === "session" || scope === "window") return { of: "session", caller };
  // Not by the scope alone: an entry that names the workspace has a process for each, whoever may share it.
  if (listScope.resourcesFor !== "directory") return { of: "everybody" };
  return { of: isRepository ? "repository" : "directory", place: placeKey(caller, workspace) };
}

/** A key that is equal for windows of one principal in the same directory. */
export function placeKey(caller: Caller, workspace: string | undefined): string {
  return ownerKey({ principal: principalOf(caller), workspace: workspace ?? "" });
}

/** Where a window works. */
export interface KnownPlace {
  /** The real path of its directory; undefined: it has told none. */
  workspace: string | undefined;
  /** See {@linkcode placeKey}. */
  key: string;
  /** The same of the repository it is a working tree of. */
  repositoryKey: string;
}

/**
 * The place of a window, without asking its client for anything.
 *
 * @param roots of its client, as far as they are known
 */
export async function knownPlaceOf(caller: Caller, roots: readonly Root[] | undefined): Promise<KnownPlace> {
  const path = (roots ?? []).map(({ uri }) => pathOfUri(uri).path).find((path) => path !== undefined);
  const dir = path ?? caller.cwd;
  const workspace = dir === undefined ? undefined : await realPathOf(dir);
  const repository = workspace === undefined ? undefined : await repositoryOf(workspace);
  return { workspace, key: placeKey(caller, workspace), repositoryKey: placeKey(caller, repository) };
}

/** Whether a process for `audience` takes the calls of `caller`, whose place is `place`. */
export function concerns(audience: Audience, caller: Caller, place: KnownPlace): boolean {
  switch (audience.of) {
    case "everybody":
      return true;
    case "directory":
      return audience.place === place.key;
    case "repository":
      return audience.place === place.repositoryKey;
    case "window":
      return audience.key === caller.window?.key;
    case "session":
      return isSameSession(audience.caller, caller);
  }
}
