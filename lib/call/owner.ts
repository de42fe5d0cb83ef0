/** To whom something that is kept belongs: a thread, the result of a call, a line of the record. */
export interface Owner {
  /** On whose behalf it was made. */
  readonly principal: string;
  /** The real path of the directory its window worked in; of a window without one, a name that is the window's alone. */
  readonly workspace: string;
}

/** Who asks for something that is kept, or has something kept. */
export interface Identity {
  readonly principal: string;
  /** The workspace it works in now, then those it has worked in before: what it began there is still its own. */
  readonly workspaces: readonly [string, ...string[]];
}

/** The commands of the daemon's own user, which see everything. Nothing that a window asks for goes by this. */
export const OPERATOR = Symbol("operator");

/** Whoever asks to see something that is kept. */
export type Viewer = Identity | typeof OPERATOR;

/** To whom something belongs whose owner is found out when somebody asks. */
export interface Belonging {
  owner(): Promise<Owner>;
}

/** Whether two callers are one session: what is a session's alone, as a task is, belongs to no other. */
export function isSameSession(one: { readonly id: string }, other: { readonly id: string }): boolean {
  return one.id === other.id;
}

/** Whether two connections are made on behalf of the same user, token or certificate. */
export function isSamePrincipal(one: string, other: string): boolean {
  return one === other;
}

/** To whom belongs what `identity` has kept now. */
export function ownerOf({ principal, workspaces }: Identity): Owner {
  return { principal, workspace: workspaces[0] };
}

/** `owner` as a text, equal for equal owners: for a column of a database. */
export function ownerKey({ principal, workspace }: Owner): string {
  return JSON.stringify([principal, workspace]);
}

/** The keys of all owners whose things `viewer` may use; undefined: everybody's. For a query that finds only those. */
export function ownerKeysFor(viewer: Viewer): string[] | undefined {
  if (viewer === OPERATOR) return undefined;
  const { principal, workspaces } = viewer;
  return workspaces.map((workspace) => ownerKey({ principal, workspace }));
}

/**
 * Whether `viewer` may see, continue, await or cancel what belongs to the owner with the key `owner`: the same workspace
 * of the same principal may, and nobody else. Every room that keeps something asks here.
 */
export function mayUse(viewer: Viewer, owner: string): boolean {
  return ownerKeysFor(viewer)?.includes(owner) ?? true;
}

/** As {@linkcode mayUse}, for belongings; of those whose owner is not found within `waitMs`, nothing may be used. */
export async function usable(
  viewer: Viewer,
  belongings: Iterable<Belonging>,
  waitMs: number,
): Promise<ReadonlySet<Belonging>> {
  const found = new Set<Belonging>();
  const asking = Array.from(new Set(belongings), async (one) => {
    if (viewer === OPERATOR || mayUse(viewer, ownerKey(await one.owner()))) found.add(one);
  });
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, waitMs);
  await Promise.race([Promise.all(asking), late.promise]).finally(() => clearTimeout(timer));
  // What is found out later must not change what is being read.
  return new Set(found);
}
