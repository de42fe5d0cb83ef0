/** The principal of the daemon's own user, and of every client with its token. */
export const OWN_USER = "owner";

/** The principal of `caller`; what is done for no client is done for the daemon's own user. */
export function principalOf({ principal = OWN_USER }: { principal?: string }): string {
  return principal;
}

/** The owner of stored data: a thread, the result of a call, a line of the record. */
export interface Owner {
  /** On whose behalf the data was stored. */
  readonly principal: string;
  /** The real path of the directory of its session; for a session without one, a name unique to the session. */
  readonly workspace: string;
}

/** The workspace of a session without a directory, by a digest of what only its client knows. */
export function workspaceOfSession(digest: string): string {
  return `session ${digest}`;
}

/** Whether nobody can use the data of `owner` any more once its session has ended. */
export function endsWithSession({ workspace }: Owner): boolean {
  return workspace.startsWith("session ");
}

/** A client that reads or stores data. */
export interface Identity {
  readonly principal: string;
  /** Its current workspace, then its earlier ones: data stored there still belongs to it. */
  readonly workspaces: readonly [string, ...string[]];
}

/** The commands of the daemon's own user, which see everything. No request of a client is made as this viewer. */
export const OPERATOR = Symbol("operator");

/** A client, or the operator, that asks to see stored data. */
export type Viewer = Identity | typeof OPERATOR;

/** An owner that is determined only when it is needed, since that may ask the client for its roots. */
export interface Belonging {
  owner(): Promise<Owner>;
}

/** Whether two callers are the same session, for what belongs to one session only, such as a task. */
export function isSameSession(one: SessionPart, other: SessionPart): boolean {
  return sessionIdOf(one) === sessionIdOf(other);
}

/**
 * Whether two callers are one client. Over HTTP a session of the modern era may be that of several programs, which only
 * their names tell apart.
 */
export function isSameClient(one: ClientPart, other: ClientPart): boolean {
  return one.id === other.id || isSameSession(one, other) && one.client?.name === other.client?.name;
}

/** Whether `one` ends with `ended`: it is that, or a part of it. Two parts of a session end by themselves. */
export function endsWithCaller(one: SessionPart, ended: SessionPart): boolean {
  return one.id === ended.id || sessionIdOf(one) === ended.id;
}

/** A session, or a part of one. */
interface SessionPart {
  readonly id: string;
  /** The session it is a part of, by id. */
  readonly session?: string;
}

interface ClientPart extends SessionPart {
  readonly client: { readonly name: string } | undefined;
}

/** The id of the caller's session: for people, and where what is counted or kept is that of the session. */
export function sessionIdOf({ id, session = id }: SessionPart): string {
  return session;
}

/** Whether two connections are made on behalf of the same user, token or certificate. */
export function isSamePrincipal(one: string, other: string): boolean {
  return one === other;
}

/** The owner of data that `identity` stores now. */
export function ownerOf({ principal, workspaces }: Identity): Owner {
  return { principal, workspace: workspaces[0] };
}

/** `owner` as a string that is equal for equal owners, for a column of a database. */
export function ownerKey({ principal, workspace }: Owner): string {
  return JSON.stringify([principal, workspace]);
}

/** The keys of all owners whose data `viewer` may use, for a query; undefined: all data. */
export function ownerKeysFor(viewer: Viewer): string[] | undefined {
  if (viewer === OPERATOR) return undefined;
  const { principal, workspaces } = viewer;
  return workspaces.map((workspace) => ownerKey({ principal, workspace }));
}

/**
 * Whether `viewer` may see, continue, await or cancel what belongs to the owner with the key `owner`: only the same
 * workspace of the same principal may. Every room that stores data decides by this function.
 *
 * @example
 * ```ts
 * import { mayUse, ownerKey, ownerOf } from "./owner.ts";
 *
 * const alice = { principal: "alice", workspaces: ["/work/app"] } as const;
 * const key = ownerKey(ownerOf(alice));
 * console.assert(mayUse(alice, key));
 * console.assert(!mayUse({ ...alice, principal: "bob" }, key));
 * ```
 */
export function mayUse(viewer: Viewer, owner: string): boolean {
  return ownerKeysFor(viewer)?.includes(owner) ?? true;
}

/** As {@linkcode mayUse}, for belongings; those whose owner is not determined within `waitMs` are left out. */
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
  // A copy: an owner that is determined later must not change the set while it is read.
  return new Set(found);
}
