"""The proof: will mail be delivered, will forgeries be refused, can people log in?"""
