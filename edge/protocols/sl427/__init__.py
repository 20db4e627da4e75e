"""SL/T 427-2021 and SZY 206-2016: water resources stations, frames 68 L 68 ... CS 16."""
