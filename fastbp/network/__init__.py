"""This folder holds the network: its architecture, its public class, its files, and what looks into it."""
