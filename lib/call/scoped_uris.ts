import { isObject, type JsonObject } from "../base/json.ts";
import { memberOf, type Params, withMember } from "../wire/raw_object.ts";
import type { Caller } from "./call.ts";
import type { ListKind } from "./server.ts";

/**
 * Schemes whose URIs each server chooses for itself, so that those of two servers are often the same: the resources that
 * tools are shown with (SEP-1865, MCP Apps) and the files of skills (SEP-2640).
 */
const SCOPED = /^(ui|skill):\/\//;

const PUBLIC = /^(ui|skill):\/\/([\w-]+)\.exai\/([^]*)$/;

/**
 * The URI that clients of the merged catalog know a resource of `server` by. Any other than those of the scoped schemes
 * names the same thing for everybody, and stays.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { ownUri, publicUri } from "./scoped_uris.ts";
 *
 * assertEquals(publicUri("weather", "ui://app/map.html"), "ui://weather.exai/app/map.html");
 * assertEquals(ownUri("ui://weather.exai/app/map.html"), { server: "weather", uri: "ui://app/map.html" });
 * assertEquals(publicUri("weather", "file:///map.html"), "file:///map.html");
 * ```
 */
export function publicUri(server: string, uri: string): string {
  return uri.replace(SCOPED, `$1://${server}.exai/`);
}

/** The server of a {@linkcode publicUri}, and its own URI; undefined for any other URI. */
export function ownUri(uri: string): { server: string; uri: string } | undefined {
  const [, scheme, server, rest] = PUBLIC.exec(uri) ?? [];
  return server === undefined ? undefined : { server, uri: `${scheme}://${rest}` };
}

/** An entry of a list of `server` as the merged catalog shows it; the same object where no URI of it is scoped. */
export function withPublicUris(kind: ListKind, entry: JsonObject, server: string): JsonObject {
  switch (kind) {
    case "resources":
      return withPublic(entry, "uri", server);
    case "templates":
      return withPublic(entry, "uriTemplate", server);
    case "tools": {
      const { _meta: meta } = entry;
      if (!isObject(meta)) return entry;
      // The name it had before SEP-1865 was final is read by clients still.
      const flat = withPublic(meta, "ui/resourceUri", server);
      const ui = isObject(meta.ui) ? withPublic(meta.ui, "resourceUri", server) : meta.ui;
      if (flat === meta && ui === meta.ui) return entry;
      return { ...entry, _meta: ui === undefined ? flat : { ...flat, ui } };
    }
    case "prompts":
      return entry;
  }
}

/** The entry of a skill of `server`, with the manifest of its files, as the merged catalog shows it (SEP-2640). */
export function withPublicSkillUris(skill: JsonObject, server: string): JsonObject {
  const { resources } = skill;
  const files = Array.isArray(resources)
    ? resources.map((file) => isObject(file) ? withPublic(file, "uri", server) : file)
    : resources;
  return { ...withPublic(skill, "uri", server), ...(files === undefined ? {} : { resources: files }) };
}

/** `uri` of `server` as `caller` knows it, who sees the merged catalog or that server alone. */
export function uriFor({ server: alone }: Pick<Caller, "server">, server: string, uri: string): string {
  return alone === undefined ? publicUri(server, uri) : uri;
}

/** Tells `caller` that a resource of `server` has changed: `params` of `notifications/resources/updated`. */
export function notifyUpdated(caller: Caller, server: string, params: Params): void {
  const uri = String(memberOf(params, "uri"));
  const shown = uriFor(caller, server, uri);
  caller.notify("notifications/resources/updated", shown === uri ? params : withMember(params, "uri", shown));
}

function withPublic(object: JsonObject, name: string, server: string): JsonObject {
  const uri = object[name];
  return typeof uri === "string" && SCOPED.test(uri) ? { ...object, [name]: publicUri(server, uri) } : object;
}
