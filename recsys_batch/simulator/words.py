"""Names of categories and items: word lists from which titles are put together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SHOP = {
    "Kitchen": "serving board,salt mill,mixing bowl,kettle,paring knife,colander",
    "Garden": "watering can,planter,hand fork,bird feeder,hose reel,trellis",
    "Lighting": "desk lamp,pendant light,lantern,fairy lights,floor lamp,candle holder",
    "Bedroom": "pillowcase,duvet cover,throw,bedside tray,mattress pad,quilt",
    "Bathroom": "bath towel,soap dish,shower shelf,bath mat,laundry basket,mirror",
    "Stationery": "notebook,fountain pen,pencil case,desk planner,washi tape,envelope set",
    "Toys": "building blocks,spinning top,puzzle,toy train,kite,doll house",
    "Books": "travel guide,cookery book,novel,atlas,picture book,field guide",
    "Sports": "yoga mat,skipping rope,water bottle,dumbbell,tennis balls,gym bag",
    "Outdoor": "camping stove,head torch,rucksack,sleeping mat,folding chair,dry bag",
    "Bags": "tote bag,satchel,purse,wash bag,backpack,weekend bag",
    "Jewellery": "bracelet,ear studs,pendant,ring dish,brooch,cufflinks",
    "Clothing": "scarf,wool socks,apron,rain jacket,jumper,sun hat",
    "Shoes": "slippers,sandals,trainers,rubber boots,loafers,walking boots",
    "Beauty": "hand cream,bath salts,face brush,lip balm,nail set,soap bar",
    "Electronics": "speaker,charging cable,earphones,alarm clock,power bank,radio",
    "Music": "ukulele,drum sticks,music stand,tuner,metronome,guitar strap",
    "Pets": "dog lead,cat scratcher,food bowl,pet blanket,chew toy,bird perch",
    "Crafts": "knitting kit,sewing box,paint set,embroidery hoop,glue gun,clay set",
    "Storage": "storage tin,wicker basket,shelf bracket,coat hook,drawer divider,jar set",
}
_NEWS = {
    "Politics": "budget,election,coalition,reform,summit,minister",
    "Economy": "inflation,housing market,trade deal,interest rates,start-up,wages",
    "World": "peace talks,border crossing,treaty,envoy,harvest,capital",
    "Sport": "cup final,transfer,marathon,coach,record,qualifier",
    "Science": "telescope,vaccine,fossil,particle,glacier,probe",
    "Technology": "chip maker,app,data centre,battery,satellite network,robot",
    "Culture": "exhibition,film festival,concert hall,novelist,theatre,museum",
    "Health": "hospital,clinic,diet study,nurses,sleep,flu season",
    "Travel": "railway,island,airport,hiking trail,ferry,old town",
    "Opinion": "column,letter,debate,essay,interview,review",
    "Local": "town hall,school,bridge,market square,bus line,fire brigade",
    "Weather": "storm,heatwave,first snow,flood,drought,fog",
}
_GROCERIES = {
    "Fruit": "apples,bananas,pears,grapes,oranges,berries",
    "Vegetables": "carrots,tomatoes,potatoes,onions,spinach,peppers",
    "Dairy": "milk,yoghurt,butter,cream,quark,kefir",
    "Cheese": "cheddar,gouda,brie,feta,mozzarella,blue cheese",
    "Bread": "rye loaf,rolls,baguette,wraps,toast,flatbread",
    "Meat": "chicken thighs,minced beef,sausages,ham,bacon,turkey slices",
    "Fish": "salmon fillet,tuna,prawns,herring,cod,sardines",
    "Pasta": "spaghetti,penne,noodles,couscous,lasagne sheets,gnocchi",
    "Cereal": "oats,muesli,corn flakes,granola,porridge,wheat biscuits",
    "Drinks": "orange juice,mineral water,lemonade,iced tea,oat drink,cola",
    "Coffee": "espresso beans,filter coffee,black tea,green tea,cocoa,decaf",
    "Snacks": "crisps,salted nuts,crackers,popcorn,rice cakes,pretzels",
    "Sweets": "milk chocolate,liquorice,biscuits,jelly sweets,marzipan,honey",
    "Frozen": "peas,pizza,ice cream,fish fingers,berry mix,chips",
    "Household": "dish soap,kitchen roll,washing powder,sponges,bin bags,candles",
}
_FILMS = {
    "Drama": "lighthouse,letter,inheritance,winter,brothers,silence",
    "Comedy": "wedding,neighbours,holiday,landlord,reunion,impostor",
    "Thriller": "witness,alibi,hostage,informer,cipher,stakeout",
    "Science fiction": "colony,signal,android,orbit,paradox,starship",
    "Fantasy": "dragon,kingdom,spell,labyrinth,prophecy,changeling",
    "Horror": "cellar,haunting,ritual,doll,asylum,whisper",
    "Romance": "summer,promise,violinist,harbour,dance,stranger",
    "Western": "outlaw,canyon,sheriff,railroad,homestead,duel",
    "Crime": "heist,detective,verdict,syndicate,ransom,confession",
    "Documentary": "ocean,volcano,orchestra,migration,archive,mountain",
    "Animation": "fox,balloon,toymaker,moon,penguin,clockwork",
    "War": "convoy,trench,armistice,pilot,siege,courier",
}
_MODIFIERS = {
    "shop": (
        "walnut,blue,striped,enamel,linen,vintage,small,folding,red,copper,oak,cotton,large,white",
        "classic,set of 2,travel size,gift box,everyday,deluxe",
    ),
    "news": (
        "new,disputed,long-awaited,quiet,sudden,record,second,regional",
        "what we know,in pictures,live,explained,the figures,a reply",
    ),
    "groceries": (
        "organic,fresh,family,mild,regional,wholegrain,light,smoked,fair-trade,ripe",
        "250 g,500 g,1 kg,6 pack,twin pack,small",
    ),
    "films": (
        "last,hidden,golden,broken,endless,silent,second,lost,crimson,distant",
        "part one,part two,the return,director's cut,a story,revisited",
    ),
}
_CATEGORIES = {"shop": _SHOP, "news": _NEWS, "groceries": _GROCERIES, "films": _FILMS}


def category_names(theme: str, count: int) -> tuple[str, ...]:
    """Names of `count` categories; beyond the word list, names are numbered from 2."""
    known = list(_CATEGORIES[theme])
    return tuple(
        known[each % len(known)] + (f" {each // len(known) + 1}" if each >= len(known) else "")
        for each in range(count)
    )


def titles(theme: str, categories: NDArray[np.int64], rng: np.random.Generator) -> list[str]:
    """One title an item, such as "Walnut serving board, gift box", from its category's words.

    Parameters
    ----------
    theme
        Which word lists.
    categories
        Category number of each item.
    rng
        Picks the words; titles may coincide, as in real catalogues.
    """
    nouns = [words.split(",") for words in _CATEGORIES[theme].values()]
    before, after = (words.split(",") for words in _MODIFIERS[theme])
    picks = rng.random((len(categories), 3))
    result = []
    for category, (first, second, third) in zip(categories.tolist(), picks.tolist(), strict=True):
        noun = nouns[category % len(nouns)]
        name = f"{before[int(first * len(before))]} {noun[int(second * len(noun))]}"
        result.append(f"{name[0].upper()}{name[1:]}, {after[int(third * len(after))]}")
    return result
