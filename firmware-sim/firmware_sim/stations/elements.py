"""Which metric of a station is which element of SL 651."""

# Metric -> symbol of table C.1; a reservoir's level is ZU.
SYMBOLS = {
    "level": "Z",
    "rain-1h": "P1",
    "rain-5min": "PN05",
    "rain-total": "PT",
    "flow": "Q",
    "velocity": "VJ",
    "water-temperature": "C",
    "air-temperature": "AI",
    "humidity": "MST",
    "air-pressure": "FL",
    "wind-speed": "US",
    "wind-direction": "UC",
    "evaporation": "EJ",
    "gate-opening": "GH",
    "battery": "VT",
    "ph": "pH",
    "dissolved-oxygen": "DO",
    "conductivity": "COND",
    "turbidity": "TURB",
    "ammonia": "NH4N",
    **{f"soil-moisture-{depth}": f"M{depth}" for depth in (10, 20, 30, 40, 50, 60, 80, 100)},
}
