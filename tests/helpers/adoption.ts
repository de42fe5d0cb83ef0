import { dirname, join } from "@std/path";
import { CLIENTS } from "../../lib/adopt/clients.ts";
import { applyAdoption } from "../../lib/adopt/apply.ts";
import { pathOf } from "../../lib/adopt/find.ts";
import { type AdoptOptions, prepareAdoption, type PreparedAdoption } from "../../lib/adopt/prepare.ts";
import type { Door } from "../../lib/adopt/shim_entry.ts";
import { lastAdoption, undoAdoption, type UndoneFile } from "../../lib/adopt/undo.ts";
import { type ClientPlaces, placesOf, type PlaceSystem } from "../../lib/config/client_places.ts";

/** How clients start the shim in tests. */
export const SHIM: Door & { kind: "shim" } = {
  kind: "shim",
  command: "/opt/exai/exai-shim",
  args: [],
  env: {},
};

/** The user of a machine of its own, with a project. */
export class TestUser implements AsyncDisposable {
  readonly dir: string;
  readonly places: ClientPlaces;
  readonly project: string;

  private constructor(dir: string, system: PlaceSystem) {
    this.dir = dir;
    this.places = placesOf({}, system, join(dir, "home"));
    this.project = join(dir, "project");
  }

  static async create(system: PlaceSystem = "linux"): Promise<TestUser> {
    const user = new TestUser(await Deno.realPath(await Deno.makeTempDir()), system);
    await Deno.mkdir(user.project);
    return user;
  }

  get mcp(): string {
    return join(this.dir, "exai", "mcp.json");
  }

  get backups(): string {
    return join(this.dir, "exai", "backups");
  }

  /** The path that a template of the table of clients means here. */
  path(template: string): string {
    return pathOf(template, this.places, this.project);
  }

  async write(template: string, content: string | Uint8Array): Promise<string> {
    const path = this.path(template);
    await Deno.mkdir(dirname(path), { recursive: true });
    await Deno.writeFile(path, typeof content === "string" ? new TextEncoder().encode(content) : content);
    return path;
  }

  async read(template: string): Promise<string> {
    return await Deno.readTextFile(this.path(template));
  }

  prepare(options: Partial<AdoptOptions> = {}): Promise<PreparedAdoption> {
    return prepareAdoption({
      places: this.places,
      projects: [this.project],
      clients: CLIENTS,
      windowsHomes: [],
      otherWindowsHomes: [],
      isUserOnly: false,
      areTrackedChanged: false,
      isEach: false,
      doors: { own: SHIM, windows: SHIM },
      shims: { own: SHIM, windows: SHIM },
      own: { shim: SHIM, port: 8765 },
      mcp: this.mcp,
      ...options,
    });
  }

  /** Plans and carries out. */
  async adopt(options: Partial<AdoptOptions> = {}): Promise<PreparedAdoption> {
    const prepared = await this.prepare(options);
    await applyAdoption(prepared.plan, prepared.target, this.backups);
    return prepared;
  }

  async undo(): Promise<UndoneFile[]> {
    return await undoAdoption((await lastAdoption(this.backups))!);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.dir, { recursive: true });
  }
}
