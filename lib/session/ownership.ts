import type { Root } from "../call/call.ts";
import { type Belonging, type Identity, type Owner, ownerOf, workspaceOfSession } from "../call/owner.ts";

/** The directories a client has named. */
export interface SessionDirectories {
  readonly cwd: string | undefined;
  /** Undefined when the client has none, or does not answer. */
  readonly roots: readonly Root[] | undefined;
}

/** Resolves to the real path of a session's workspace; undefined when none of its directories is one. */
export type WorkspaceResolver = (where: SessionDirectories) => Promise<string | undefined>;

/** What {@linkcode Ownership} reads of its session. */
export interface OwnershipSource {
  readonly principal: string;
  /** Known to the client alone, and unchanged when a later daemon recovers the session. */
  readonly secret: string;
  readonly cwd: string | undefined;
  /** Whether the client has the roots capability. */
  hasRoots(): boolean;
  roots(): Promise<readonly Root[] | undefined>;
  /** Default: the session has no workspace. */
  readonly findWorkspace?: WorkspaceResolver;
}

/** Former workspaces remembered for one session. */
const MAX_WORKSPACES = 16;

/** Determines who owns what is kept for one session. Lazy: the client is asked for its roots on first use. */
export class Ownership {
  readonly #source: OwnershipSource;
  /** The latest first. */
  #workspaces: string[] = [];
  #current: OwnerSnapshot;

  constructor(source: OwnershipSource) {
    this.#source = source;
    this.#current = new OwnerSnapshot(source);
  }

  /** The owner of what is kept now, resolved later. */
  get belonging(): Belonging {
    return this.#current.retain();
  }

  /** Includes former workspaces, so that what was begun in one directory can be continued after the roots changed. */
  async identity(): Promise<Identity> {
    const { principal, workspace } = await this.#current.owner();
    const before = this.#workspaces.filter((known) => known !== workspace);
    this.#workspaces = [workspace, ...before].slice(0, MAX_WORKSPACES);
    return { principal, workspaces: [workspace, ...before] };
  }

  /** The owner of what belongs to this session alone, and to the one that a later daemon recovers. */
  async privateOwner(): Promise<Owner> {
    const { principal, secret } = this.#source;
    return ownerOf({ principal, workspaces: [workspaceOfSession(await digest(secret))] });
  }

  /** The client's directories have changed. */
  invalidate(): void {
    this.#current.freeze();
    this.#current = new OwnerSnapshot(this.#source);
  }

  /** The session has ended: its client is not asked any more. */
  end(): void {
    this.#current.freeze();
  }
}

/** The owner while the client's directories stay the same. Records retain it, so it drops its reference to the session. */
class OwnerSnapshot implements Belonging {
  #source: OwnershipSource | undefined;
  #owner: Promise<Owner> | undefined;
  #isRetained = false;
  #isFrozen = false;

  constructor(source: OwnershipSource) {
    this.#source = source;
  }

  owner(): Promise<Owner> {
    return this.#owner ??= this.#find();
  }

  retain(): Belonging {
    this.#isRetained = true;
    if (this.#isFrozen) void this.owner();
    return this;
  }

  /** Fixes the owner to what is known now. */
  freeze(): void {
    this.#isFrozen = true;
    if (this.#isRetained) void this.owner();
  }

  async #find(): Promise<Owner> {
    const { principal, secret, cwd, findWorkspace, ...client } = this.#source!;
    this.#source = undefined;
    const ownWorkspace = async () => workspaceOfSession(await digest(secret));
    // A client with roots that was not asked for them may work anywhere.
    if (client.hasRoots() && this.#isFrozen) {
      return ownerOf({ principal, workspaces: [await ownWorkspace()] });
    }
    const roots = client.hasRoots() ? await client.roots() : undefined;
    const workspace = await findWorkspace?.({ cwd, roots }) ?? await ownWorkspace();
    return ownerOf({ principal, workspaces: [workspace] });
  }
}

async function digest(secret: string): Promise<string> {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(secret));
  return new Uint8Array(bytes).toHex();
}
