import { join } from "@std/path/join";
import { type ClientPlaces, placesOf } from "../config/client_places.ts";
import { isDirectory } from "../config/path_kind.ts";

/** Where WSL has the users of Windows. */
const USERS = "/mnt/c/Users";
const NO_USERS = new Set(["All Users", "Default", "Default User", "Public"]);

/** The home directories on the Windows side of WSL that hold a user's programs. */
export async function windowsHomes(users = USERS): Promise<string[]> {
  const homes: string[] = [];
  try {
    for await (const { name } of Deno.readDir(users)) {
      const home = join(users, name);
      if (!NO_USERS.has(name) && await isDirectory(join(home, "AppData"))) homes.push(home);
    }
  } catch {
    // Drives are not mounted here, or not for this user.
  }
  return homes.sort();
}

/** The places of a Windows user, as this side sees them. */
export function windowsPlaces(home: string): ClientPlaces {
  return placesOf({}, "windows", home);
}
