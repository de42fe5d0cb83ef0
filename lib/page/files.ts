/** A file of the page. Loaded when it is first asked for: most daemons are never looked at. */
export interface PageFile {
  type: string;
  load(): Promise<string>;
}

/** The files of the page, by path; they are within the program. */
export const PAGE_FILES: Readonly<Record<string, PageFile>> = {
  "/": {
    type: "text/html; charset=utf-8",
    load: async () => (await import("./page.html", { with: { type: "text" } })).default,
  },
  "/page.css": {
    type: "text/css; charset=utf-8",
    load: async () => (await import("./page.css", { with: { type: "text" } })).default,
  },
  "/page.js": {
    type: "text/javascript; charset=utf-8",
    load: async () => (await import("./assets/page.js", { with: { type: "text" } })).default,
  },
};
