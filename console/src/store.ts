// A value that many parts of the page watch: set it once, every watcher of a changed slice is drawn again.
import { useEffect, useState } from "preact/hooks";

export interface Store<S> {
  get(): S;
  patch(change: Partial<S>): void;
  watch(watcher: () => void): () => void;
}

export function createStore<S>(first: S): Store<S> {
  let state = first;
  const watchers = new Set<() => void>();
  return {
    get: () => state,
    patch(change) {
      state = { ...state, ...change };
      for (const watcher of [...watchers]) watcher();
    },
    watch(watcher) {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
  };
}

export function useSlice<S, T>(store: Store<S>, slice: (state: S) => T): T {
  const [, redraw] = useState<T>();
  const seen = slice(store.get());
  useEffect(() => {
    let last = seen;
    const look = () => {
      const next = slice(store.get());
      if (Object.is(next, last)) return;
      last = next;
      redraw(() => next);
    };
    look();
    return store.watch(look);
    // The slice is a pure selector; only the store decides when to subscribe again.
  }, [store]);
  return seen;
}
