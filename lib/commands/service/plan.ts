import type { ManagerCommand, ServiceManager } from "../../client/installed_service.ts";

/** What is to run as a service. */
export interface ServiceSpec {
  /** The name of the service. */
  id: string;
  command: string;
  args: readonly string[];
  /** How long the daemon may take to stop. */
  stopTimeoutMs: number;
  /** The address that the service manager listens on for the daemon, where it starts that for its first client. */
  socket?: { hostname: string; port: number };
}

/** A file of a service. */
export interface ServiceFile {
  path: string;
  text: string;
  encoding?: "utf-16";
}

/** How a service manager is told of a service, and asked about it. */
export interface ServicePlan {
  manager: ServiceManager;
  /** The name of the manager for people. */
  managerName: string;
  id: string;
  files: readonly ServiceFile[];
  /** Shows whether the manager can be reached. */
  probe?: ManagerCommand;
  /** Makes the service known, so that it starts by itself from now on. */
  enable: readonly ManagerCommand[];
  /** Starts it now. */
  start: ManagerCommand;
  /** Stops it, and makes it unknown. What fails is ignored: it may be half there. */
  disable: readonly ManagerCommand[];
  /** Has the manager forget the files, once they are gone. */
  forget: readonly ManagerCommand[];
  /** Says how it stands. */
  query: ManagerCommand;
  /** Reads the answer to `query`; undefined when the manager does not know the service. */
  readState(text: string): ServiceState | undefined;
}

/** How a service stands, as far as its manager says. */
export interface ServiceState {
  /** In the manager's words: `active`, `failed`, `running`. */
  state: string;
  isEnabled?: boolean;
  pid?: number;
}

/** `text` for XML. */
export function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
