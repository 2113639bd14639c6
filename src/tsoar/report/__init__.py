"""(filled with the room)"""
