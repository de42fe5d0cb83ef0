import type { Root } from "../call/call.ts";
import { type Belonging, type Identity, type Owner, ownerOf } from "../call/owner.ts";

/** What a session says of where it works. */
export interface SessionDirectories {
  readonly cwd: string | undefined;
  /** Undefined when its client has none, or does not tell. */
  readonly roots: readonly Root[] | undefined;
}

/** The real path of the directory a session works in; undefined when it names none that is a workspace. */
export type WorkspaceResolver = (where: SessionDirectories) => Promise<string | undefined>;

/** What its session knows of itself. */
export interface OwnershipSource {
  readonly principal: string;
  /** Known to its client alone, and the same when a later daemon takes the session over. */
  readonly secret: string;
  readonly cwd: string | undefined;
  /** Whether its client has roots to tell. */
  hasRoots(): boolean;
  roots(): Promise<readonly Root[] | undefined>;
  /** Left out: no session has a workspace. */
  readonly findWorkspace?: WorkspaceResolver;
}

/** Workspaces a session is remembered to have worked in. */
const MAX_WORKSPACES = 16;

/** Finds out to whom belongs what is kept for one session. Costs nothing until somebody asks. */
export class Ownership {
  readonly #source: OwnershipSource;
  /** Where it has worked, the latest first. */
  #workspaces: string[] = [];
  #now: OwnerSnapshot;

  constructor(source: OwnershipSource) {
    this.#source = source;
    this.#now = new OwnerSnapshot(source);
  }

  /** To whom belongs what is kept at this moment. */
  get belonging(): Belonging {
    return this.#now.hold();
  }

  /** What is begun in one directory can be gone on with although the client has told of another since. */
  async identity(): Promise<Identity> {
    const { principal, workspace } = await this.#now.owner();
    const before = this.#workspaces.filter((known) => known !== workspace);
    this.#workspaces = [workspace, ...before].slice(0, MAX_WORKSPACES);
    return { principal, workspaces: [workspace, ...before] };
  }

  /** The client has told something else of where it works. */
  invalidate(): void {
    this.#now.settle();
    this.#now = new OwnerSnapshot(this.#source);
  }

  /** The session is over: its client is not asked any more. */
  end(): void {
    this.#now.settle();
  }
}

/** The time in which a session works in one place. What is kept holds on to it, so it lets go of the session. */
class OwnerSnapshot implements Belonging {
  #source: OwnershipSource | undefined;
  #owner: Promise<Owner> | undefined;
  /** Whether something that is kept has it. */
  #isHeld = false;
  #isOver = false;

  constructor(source: OwnershipSource) {
    this.#source = source;
  }

  owner(): Promise<Owner> {
    return this.#owner ??= this.#find();
  }

  hold(): Belonging {
    this.#isHeld = true;
    if (this.#isOver) void this.owner();
    return this;
  }

  /** It is over: whoever asks later is told what is known now. */
  settle(): void {
    this.#isOver = true;
    if (this.#isHeld) void this.owner();
  }

  async #find(): Promise<Owner> {
    const { principal, secret, cwd, findWorkspace, ...client } = this.#source!;
    this.#source = undefined;
    const alone = async () => `session ${await digest(secret)}`;
    // A client that has roots and was not asked for them may work anywhere.
    if (client.hasRoots() && this.#isOver) return ownerOf({ principal, workspaces: [await alone()] });
    const roots = client.hasRoots() ? await client.roots() : undefined;
    const workspace = await findWorkspace?.({ cwd, roots }) ?? await alone();
    return ownerOf({ principal, workspaces: [workspace] });
  }
}

async function digest(secret: string): Promise<string> {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(secret));
  return new Uint8Array(bytes).toHex();
}
