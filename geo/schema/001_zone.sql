-- Zones: named areas with a kind. The ring of a zone is kept as the GeoJSON it came in; maths on it happens in geo/.
create table zone (
    id          integer generated always as identity primary key,
    key         text not null unique check (key ~ '^[a-z0-9][a-z0-9-]{0,63}$'),
    name        text not null,
    kind        text not null,
    geometry    jsonb not null,              -- RFC 7946 Polygon or MultiPolygon, WGS 84, lon before lat
    area_m2     double precision not null check (area_m2 > 0),
    usable_m2   double precision check (usable_m2 > 0),   -- walkable part; density is counted on it where known
    capacity    integer check (capacity > 0),
    imported_at timestamptz not null default now()
);
