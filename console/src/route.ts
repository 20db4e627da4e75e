// Which page is asked for: what follows # in the address, so that a reload and the phone's back key keep it.
import { useEffect, useState } from "preact/hooks";

export type Route = { page: "desk" } | { page: "connect"; device: string | null };

const DESK: Route = { page: "desk" };
const KEY = /^[a-z0-9][a-z0-9-]{0,63}$/;

export function routeOf(hash: string): Route {
  const [page, device = "", ...rest] = hash.replace(/^#/, "").split("/");
  if (page !== "connect" || rest.length > 0) return DESK;
  return { page, device: KEY.test(device) ? device : null };
}

export const hashOf = (route: Route): string => (route.page === "desk" ? "" : route.device === null ? "#connect" : `#connect/${route.device}`);

export function go(route: Route): void {
  if (hashOf(route) === location.hash) return;
  history.pushState(null, "", location.pathname + location.search + hashOf(route));
  dispatchEvent(new HashChangeEvent("hashchange"));
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => routeOf(location.hash));
  useEffect(() => {
    const look = () => setRoute(routeOf(location.hash));
    addEventListener("hashchange", look);
    addEventListener("popstate", look);
    return () => {
      removeEventListener("hashchange", look);
      removeEventListener("popstate", look);
    };
  }, []);
  return route;
}
